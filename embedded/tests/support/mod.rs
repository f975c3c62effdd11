//! What the tests of this crate share.
#![allow(dead_code)] // every test file uses a part of it
#![allow(clippy::unwrap_used)] // clippy sees tests only in functions marked as such

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use embedded::{Cluster, NatsEndpoints, NatsUser, Part, Parts, Settings};
use sqlx::{Connection, PgConnection, Row};

pub fn quiet(_: &str) {}

pub fn settings(data_dir: &Path, parts: &[Part]) -> Settings {
    Settings { parts: Parts::only(parts), ..Settings::for_tests(data_dir) }
}

pub async fn start(data_dir: &Path, parts: &[Part]) -> Cluster {
    Cluster::start(settings(data_dir, parts), &quiet).await.unwrap()
}

pub async fn one(url: &str, query: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(query).fetch_one(&mut connection).await.unwrap().get(0)
}

pub async fn run(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
}

pub async fn nats_as(nats: &NatsEndpoints, user: NatsUser) -> async_nats::jetstream::Context {
    let password = nats.users.password(user).to_owned();
    let options = async_nats::ConnectOptions::with_user_and_password(user.name().to_owned(), password);
    let mut jetstream = async_nats::jetstream::new(options.connect(&nats.url).await.unwrap());
    // A refused request gets no answer at all.
    jetstream.set_timeout(std::time::Duration::from_millis(1500));
    jetstream
}

pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Every process that works below a folder.
pub fn processes_below(folder: &Path) -> Vec<(u32, PathBuf)> {
    let folder = std::fs::canonicalize(folder).unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?)))
        .filter(|(pid, cwd)| cwd.starts_with(&folder) && is_alive(*pid))
        .collect()
}

/// The program `private-servers`, running and ready.
pub struct Program {
    pub child: Child,
    /// What it printed before `ready`.
    pub exports: Vec<String>,
}

impl Program {
    pub fn start(data_dir: &Path, only: &str) -> Program {
        let mut command = Program::command(data_dir, only);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let exports = lines.take_while(|line| line != "ready").collect();
        Program { child, exports }
    }

    pub fn command(data_dir: &Path, only: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_private-servers"));
        command.arg("--data-dir").arg(data_dir).args(["--print-env", "--only", only]).stderr(Stdio::null());
        command
    }

    pub fn url(&self, name: &str) -> &str {
        let prefix = format!("export {name}='");
        let line = self.exports.iter().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap().trim_end_matches('\'')
    }

    pub fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as a service manager would.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A failed test must not leave servers behind; gone already when it did not fail.
        let _ = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}
