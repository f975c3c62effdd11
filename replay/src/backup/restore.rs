use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use embedded::{CopyServer, Lifetime, PostgresTools};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{Folder, Kind, Manifest, folder::broken};
use crate::Failure;

/// Replaying a month of WAL may take hours.
const BOUND: Duration = Duration::from_secs(12 * 3_600);
/// What a copy must not take over from the server that it is a copy of.
const ITS_OWN: [(&str, &str); 6] = [
    ("archive_mode", "off"),
    ("ssl", "off"),
    ("shared_preload_libraries", ""),
    ("synchronous_standby_names", ""),
    ("primary_conninfo", ""),
    ("hot_standby", "off"),
];

/// A log brought back to a point in time, in a folder of its own, stopped again.
#[derive(Debug, Clone)]
pub struct Restored {
    pub path: PathBuf,
    pub epoch: i32,
    pub head: i64,
    pub recorded_at: DateTime<Utc>,
}

/// Copies a backup to `to` and replays the archived WAL, all of it or up to `until`. The result is a
/// data folder on a timeline of its own: refused until the epoch is advanced.
pub async fn restore(
    folder: &Folder,
    manifest: &Manifest,
    to: &Path,
    until: Option<DateTime<Utc>>,
    tools: &PostgresTools,
    owner: &PgConnectOptions,
) -> Result<Restored, Failure> {
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::could_not_run(format!("{} is not empty: choose another folder", to.display())));
    }
    copy(&folder.backup(manifest.kind, &manifest.name), to).await?;
    let signal = to.join("recovery.signal");
    fs::write(&signal, "").map_err(|error| broken(&signal, &error))?;
    let wal = folder.wal().canonicalize().map_err(|error| broken(&folder.wal(), &error))?;
    let wal = wal.display().to_string();
    if wal.contains(['\'', '%']) {
        return Err(Failure::could_not_run(format!("{wal}: a quote or a percent sign is too much here")));
    }
    // Segments are compressed, a history file is not.
    let fetch = format!(
        "test -f '{wal}/%f.gz' && gzip -dc '{wal}/%f.gz' > '%p' || (test -f '{wal}/%f' && cp '{wal}/%f' '%p')"
    );
    // Words for time zones, `Z` too, are not known yet when the server reads this.
    let until = until.map(|at| at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string());
    let mut settings = vec![("restore_command", fetch.as_str()), ("recovery_target_action", "promote")];
    if let Some(until) = &until {
        settings.push(("recovery_target_time", until));
    }
    let server = begin(tools, to, &settings, BOUND).await?;
    let pool = pool(owner, server.port());
    let head = match manifest.kind {
        Kind::Log => {
            let head =
                sqlx::query!("select epoch, position, recorded_at from log_head").fetch_one(&pool).await;
            head.map(|head| (head.epoch, head.position, head.recorded_at))
        }
        Kind::Keys => Ok((0, 0, manifest.taken_at)),
    };
    pool.close().await;
    server.stop().await;
    let (epoch, head, recorded_at) = head?;
    Ok(Restored { path: to.to_owned(), epoch, head, recorded_at })
}

/// Starts a copy for our eyes only.
pub async fn begin(
    tools: &PostgresTools,
    data: &Path,
    settings: &[(&str, &str)],
    bound: Duration,
) -> Result<CopyServer, Failure> {
    // Debian keeps these files elsewhere, and the source's may let in whom they like.
    let conf = data.join("postgresql.conf");
    if !conf.exists() {
        fs::write(&conf, "").map_err(|error| broken(&conf, &error))?;
    }
    let hba = data.join("pg_hba.restore.conf");
    fs::write(&hba, "host all all 127.0.0.1/32 scram-sha-256\n").map_err(|error| broken(&hba, &error))?;
    let ident = data.join("pg_ident.restore.conf");
    fs::write(&ident, "").map_err(|error| broken(&ident, &error))?;
    let data = data.canonicalize().map_err(|error| broken(data, &error))?;
    let (hba, ident) = (data.join("pg_hba.restore.conf"), data.join("pg_ident.restore.conf"));
    let (hba, ident) = (hba.display().to_string(), ident.display().to_string());
    let mut all: Vec<(&str, &str)> = ITS_OWN.to_vec();
    all.extend([("hba_file", hba.as_str()), ("ident_file", ident.as_str())]);
    all.extend(settings);
    // It ends with us: nobody else shall find it.
    Ok(tools.start(&data, &all, Lifetime::Tests, bound).await?)
}

/// The owner, on the copy.
pub fn pool(owner: &PgConnectOptions, port: u16) -> PgPool {
    let here = owner.clone().host("127.0.0.1").port(port).ssl_mode(sqlx::postgres::PgSslMode::Disable);
    PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(10)).connect_lazy_with(here)
}

/// The whole folder, by reference where the file system can.
pub async fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|error| broken(parent, &error))?;
    }
    // An empty folder is in the way of `cp`.
    let _ = fs::remove_dir(to);
    let mut copying = tokio::process::Command::new("cp");
    copying.args(["-a", "--reflink=auto"]).arg(from).arg(to).kill_on_drop(true);
    let done = copying.output().await.map_err(Failure::could_not_run)?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Failure::could_not_run(format!("{} cannot be copied: {}", from.display(), said.trim())))
}
