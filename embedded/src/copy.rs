//! Copies of a Postgres: taken by pg_basebackup, kept by pg_receivewal, started as a server of
//! their own (a streaming replica, a restored backup). The source may be a private server or any
//! other that the programs can reach.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::binaries::{Binary, Shelves};
use crate::error::Error;
use crate::files;
use crate::part::Part;
use crate::ports;
use crate::process;
use crate::run_as::RunAs;
use crate::server::Server;
use crate::settings::Lifetime;

/// The programs of one Postgres installation.
#[derive(Clone)]
pub struct PostgresTools {
    binary: Binary,
    run_as: RunAs,
}

/// Where a program connects to. The password travels in the environment, never as an argument.
#[derive(Clone)]
pub struct Source {
    url: String,
    password: Option<String>,
}

/// A Postgres on a folder that belongs to no cluster. Killed when dropped.
pub struct CopyServer {
    server: Server,
    data: PathBuf,
}

impl PostgresTools {
    /// Of the major version that wrote `data`; the newest there is when nothing is there yet.
    pub fn find(search_path: &[PathBuf], data: &Path) -> Result<PostgresTools, Error> {
        let mut binary = Shelves::new(search_path).postgres(data)?;
        // A link somewhere on PATH has the other programs beside what it points to.
        binary.path = fs::canonicalize(&binary.path).unwrap_or(binary.path);
        Ok(PostgresTools { binary, run_as: RunAs::for_postgres()? })
    }

    /// A client program of this installation, such as `pg_basebackup`, without the environment
    /// that a developer may have exported for his own Postgres.
    pub fn client(&self, program: &str) -> Command {
        let mut command = std::process::Command::new(self.binary.sibling(program));
        self.environment(&mut command);
        let mut command = Command::from(command);
        command.kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// Runs pg_basebackup into `target`, which must be missing or empty. `options` are added.
    pub async fn base_backup(&self, source: &Source, target: &Path, options: &[&str]) -> Result<(), Error> {
        files::private_dir(target)?;
        let mut command = self.client("pg_basebackup");
        source.tell(&mut command);
        command.args(["--checkpoint=fast", "--no-password"]).args(options).arg("-D").arg(target);
        run(command, "pg_basebackup").await?;
        // It makes the folder as open as the source's.
        files::private_dir(target)
    }

    /// Runs pg_verifybackup: every file against the backup's manifest.
    pub async fn verify_backup(&self, backup: &Path, options: &[&str]) -> Result<(), Error> {
        let mut command = self.client("pg_verifybackup");
        command.args(["--quiet"]).args(options).arg(backup);
        run(command, "pg_verifybackup").await
    }

    /// Fetches the WAL up to `end` into `folder`, each segment compressed by gzip, and ends; there
    /// has to be WAL behind `end`. Into an empty folder it begins where the slot does.
    pub async fn receive_wal(
        &self,
        source: &Source,
        folder: &Path,
        slot: &str,
        end: &str,
    ) -> Result<(), Error> {
        files::private_dir(folder)?;
        let mut receive = self.client("pg_receivewal");
        source.tell(&mut receive);
        receive.arg("--no-password").arg("-S").arg(slot).arg("-D").arg(folder);
        receive.args(["--no-loop", "--synchronous", "--compress=1", "--endpos", end]);
        run(receive, "pg_receivewal").await
    }

    /// Starts a server on `data`, on a free port of 127.0.0.1 and without unix sockets, and waits
    /// until it lets clients in (a standby: for reading). `settings` win over what the copy says.
    pub async fn start(
        &self,
        data: &Path,
        settings: &[(&str, &str)],
        lifetime: Lifetime,
        bound: Duration,
    ) -> Result<CopyServer, Error> {
        let data = files::canonical(data)?;
        self.run_as.give(&data)?;
        // A copy of a running server brings its postmaster's along.
        let _ = fs::remove_file(data.join("postmaster.pid"));
        let mut attempt = 1;
        loop {
            let port = ports::free();
            match self.start_on(&data, port, settings, lifetime, bound).await {
                Err(Error::Died { .. }) if attempt < 4 && !ports::is_free(port) => attempt += 1,
                started => return started,
            }
        }
    }

    async fn start_on(
        &self,
        data: &Path,
        port: u16,
        settings: &[(&str, &str)],
        lifetime: Lifetime,
        bound: Duration,
    ) -> Result<CopyServer, Error> {
        let mut command = self.run_as.server(self.binary.path.as_os_str(), lifetime);
        command.arg("-D").arg(data).current_dir(data);
        for (name, value) in [
            ("listen_addresses", "127.0.0.1"),
            ("port", &*port.to_string()),
            ("unix_socket_directories", ""),
            ("hot_standby", "on"),
        ]
        .iter()
        .chain(settings)
        {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        self.environment(&mut command);
        let mut log = data.as_os_str().to_owned();
        log.push(".log");
        let mut server = Server::spawn(Part::Log, port, command, PathBuf::from(log))?;
        let pid = server.identity.pid;
        // Without it a server in recovery calls itself a standby before anybody may come in.
        let reads_early = !settings.contains(&("hot_standby", "off"));
        server.until_ready(bound, || lets_clients_in(data, pid, reads_early)).await?;
        Ok(CopyServer { server, data: data.to_owned() })
    }

    fn environment(&self, command: &mut std::process::Command) {
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS"] {
            command.env_remove(name);
        }
        command.env("TZ", "UTC").env("LC_ALL", "C");
        if let Some(libraries) = &self.binary.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
    }
}

impl Source {
    /// Of a `postgres://` URL.
    pub fn of(url: &str) -> Source {
        let found = url.split_once("://").and_then(|(scheme, rest)| {
            let (login, address) = rest.rsplit_once('@')?;
            let (user, password) = login.split_once(':')?;
            Some((format!("{scheme}://{user}@{address}"), decoded(password)))
        });
        match found {
            Some((url, password)) => Source { url, password: Some(password) },
            None => Source { url: url.to_owned(), password: None },
        }
    }

    fn tell(&self, command: &mut Command) {
        command.arg("-d").arg(&self.url);
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
    }
}

/// A URL carries what is not a letter or digit as `%xx`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl CopyServer {
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Ends its recovery; when that is done the server says so itself.
    pub fn promote(&self) -> Result<(), Error> {
        files::write_private(&self.data.join("promote"), b"").map_err(Error::io("promote the replica"))?;
        self.server.signal(rustix::process::Signal::USR1).map_err(Error::io("promote the replica"))
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        self.server.kill9();
    }

    pub async fn stop(mut self) {
        self.server.stop(Duration::from_secs(30)).await;
    }
}

impl Drop for CopyServer {
    fn drop(&mut self) {
        self.server.ask_to_stop();
        self.server.end_within(Duration::from_millis(500));
        // Backends of a postmaster that was killed end by themselves, but not at once.
        let since = std::time::Instant::now();
        while since.elapsed() < Duration::from_secs(5)
            && process::all().any(|pid| process::Place::of(pid).is_some_and(|place| place.cwd == self.data))
        {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Line 8 of its postmaster.pid, when it is this very process's.
async fn lets_clients_in(data: &Path, pid: u32, reads_early: bool) -> bool {
    let status = tokio::fs::read_to_string(data.join("postmaster.pid")).await.unwrap_or_default();
    let mut lines = status.lines();
    let ours = lines.next().is_some_and(|first| first.trim() == pid.to_string());
    ours && match lines.nth(6).map(str::trim) {
        Some("ready") => true,
        Some("standby") => reads_early,
        _ => false,
    }
}

async fn run(mut command: Command, what: &str) -> Result<(), Error> {
    let output = command.output().await.map_err(Error::io(format!("run {what}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let telling = said.lines().find(|line| line.contains("error:")).or_else(|| said.lines().last());
    let reason = telling.unwrap_or("it said nothing").trim().to_owned();
    Err(Error::Tool { what: what.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_becomes_an_argument() {
        let source = Source::of("postgres://owner:p%40ss@10.0.0.1:5432/weltgewebe?sslmode=require");
        assert_eq!(source.url, "postgres://owner@10.0.0.1:5432/weltgewebe?sslmode=require");
        assert_eq!(source.password.as_deref(), Some("p@ss"));
        assert_eq!(Source::of("postgres://h/d").url, "postgres://h/d");
    }
}
