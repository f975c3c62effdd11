//! initdb, the database and its login roles, before anybody can connect.
//!
//! Roles are made in single-user mode: it needs no password to set one, and the statements
//! go in through a pipe, so no secret is ever an argument or a file.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Identity, OWNER, Postgres};
use crate::error::Error;
use crate::files;

/// Bounds for everything the application does; a stuck statement must not hold the log's
/// head, and a client that vanished must not go on committing.
const ROLE_SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("client_connection_check_interval", "1s"),
    ("lock_timeout", "10s"),
];

/// Whether single-user mode waits for the disk.
#[derive(PartialEq)]
enum Sync {
    Always,
    /// The caller syncs the whole folder before anybody may rely on it.
    Later,
}

impl Postgres {
    /// In `<folder>.new`, renamed when complete: a start that was killed half-way starts over.
    pub(super) async fn create(&self) -> Result<(), Error> {
        let data = self.layout.server(self.identity.part);
        let mut unfinished = data.clone().into_os_string();
        unfinished.push(".new");
        let unfinished = Path::new(&unfinished);
        let renewing = || Error::io(format!("create {}", data.display()));
        for leftover in [unfinished, &data] {
            if leftover.exists() {
                // Without PG_VERSION (the caller looked) there are no data in it.
                fs::remove_dir_all(leftover).map_err(renewing())?;
            }
        }
        files::private_dir(unfinished)?;
        self.run_as.give(unfinished)?;
        // Nobody gets in by initdb's own rules; ours (scram) replace them before the first start.
        let options = ["-U", OWNER, "-E", "UTF8", "--locale=C", "--auth=reject", "--no-instructions"];
        self.run_initdb(unfinished, &[&options[..], &["--no-sync"]].concat()).await?;
        self.write_config(unfinished, None)?;
        let Identity { database, .. } = self.identity;
        let database = format!("create database {database}");
        let mut statements = vec![database];
        statements.extend(self.role_statements());
        self.single_user(unfinished, &statements, Sync::Later).await?;
        // One pass over everything instead of three on the way.
        self.run_initdb(unfinished, &["--sync-only"]).await?;
        fs::rename(unfinished, &data).and_then(|()| files::sync_parent(&data)).map_err(renewing())
    }

    pub(super) async fn set_passwords(&self, data: &Path) -> Result<(), Error> {
        self.single_user(data, &self.role_statements(), Sync::Always).await
    }

    fn role_statements(&self) -> Vec<String> {
        let Identity { role, .. } = self.identity;
        let [owner_password, password] = &self.passwords;
        let mut statements = vec![
            format!("alter role {OWNER} password '{owner_password}'"),
            format!(
                "do $$ begin if not exists (select from pg_roles where rolname = '{role}') \
                 then create role {role}; end if; end $$"
            ),
            format!("alter role {role} login nosuperuser nocreatedb nocreaterole password '{password}'"),
        ];
        let set =
            ROLE_SETTINGS.iter().map(|(name, value)| format!("alter role {role} set {name} = '{value}'"));
        statements.extend(set);
        statements
    }

    async fn run_initdb(&self, data: &Path, options: &[&str]) -> Result<(), Error> {
        let mut command = self.helper(self.binary.sibling("initdb").as_os_str());
        command.arg("-D").arg(data).args(options).stdin(Stdio::null());
        let output = command.output().await.map_err(Error::io("run initdb"))?;
        self.check(&output, output.status.success(), "initdb")
    }

    async fn single_user(&self, data: &Path, statements: &[String], sync: Sync) -> Result<(), Error> {
        let mut command = self.helper(self.binary.path.as_os_str());
        command.args(["--single", "-D"]).arg(data).stdin(Stdio::piped());
        if sync == Sync::Later {
            command.arg("-F");
        }
        // Its log goes to stderr; errors must be in it to be seen, statements must not.
        command
            .args(["-c", "log_min_messages=warning", "postgres"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let running = || Error::io(format!("set up {}", self.identity.part));
        let mut child = command.spawn().map_err(running())?;
        // One line is one statement.
        let text: String = statements.iter().map(|statement| format!("{statement};\n")).collect();
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(text.as_bytes()).await.map_err(running())?;
        }
        let output = child.wait_with_output().await.map_err(running())?;
        // It exits with 0 whatever the statements did.
        let said = String::from_utf8_lossy(&output.stderr);
        let failed = ["ERROR:", "FATAL:", "PANIC:"].iter().any(|word| said.contains(word));
        self.check(&output, output.status.success() && !failed, "single-user mode")
    }

    /// A short-lived program: dies with us, or it would go on writing where the next start
    /// begins anew.
    fn helper(&self, program: &OsStr) -> Command {
        let mut command = self.run_as.command(program, true);
        command.current_dir(&self.layout.root);
        self.environment(&mut command);
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        command
    }

    fn check(&self, output: &Output, fine: bool, what: &str) -> Result<(), Error> {
        if fine {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let telling =
            |line: &&str| ["rror:", "ERROR:", "FATAL:", "PANIC:"].iter().any(|word| line.contains(word));
        let line = said.lines().find(telling).or_else(|| said.lines().last()).unwrap_or("it said nothing");
        let reason = format!("{what} failed ({}): {}", output.status, line.trim());
        Err(Error::NotCreated { part: self.identity.part, reason })
    }
}
