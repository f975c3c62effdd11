use std::{path::Path, process::Stdio};

use tokio::process::Command;

use crate::Failure;

/// Hands something new to the command that copies it off this machine. It gets BACKUP_KIND (`log`,
/// `keys`, `wal`) and BACKUP_PATH, and has to end with 0.
pub async fn offsite(command: &str, kind: &str, path: &Path) -> Result<(), Failure> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).env("BACKUP_KIND", kind).env("BACKUP_PATH", path);
    // Our standard output belongs to the answer.
    shell.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let ended = shell.status().await.map_err(Failure::could_not_run)?;
    if ended.success() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the off-site copy of {} failed ({ended}): the backup is here, but only here",
        path.display()
    )))
}
