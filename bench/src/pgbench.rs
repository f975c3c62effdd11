//! The yardstick: what Postgres itself makes of single-row inserts from 16 clients.
//!
//! `pgbench` as it comes, which sends each statement as text; and beside it with a statement that
//! is prepared once, which is the most that Postgres does with single rows.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use sqlx::postgres::PgConnectOptions;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    load::{Latency, Turn},
    servers::Servers,
};

pub const CLIENTS: usize = 16;
const DATABASE: &str = "yardstick";

/// One index and one small row: less than any event store has to write.
const TABLE: &str = "create table notes (
    id bigint generated always as identity primary key,
    owner bigint not null,
    body text not null
)";

const SCRIPT: &str = "\\set owner random(1, 10000)
insert into notes (owner, body) values (:owner, 'Two hundred bytes, about what a small event weighs: \
Reparaturcafe am Nordbahnhof, jeden zweiten Samstag im Monat, Werkzeug ist da, wer kann, bringt Kuchen mit; \
alle sind willkommen, auch ohne Termin.');
";

/// How pgbench sends its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Its default.
    Text,
    Prepared,
}

pub struct Pgbench {
    program: PathBuf,
    libraries: Option<PathBuf>,
    options: PgConnectOptions,
    password: String,
}

impl Pgbench {
    /// Makes the table.
    ///
    /// # Errors
    /// `pgbench` is not beside the server's program, or the database cannot be made.
    pub async fn prepare(servers: &Servers) -> anyhow::Result<Self> {
        let postgres = servers.postgres_program()?;
        let program = postgres.with_file_name("pgbench");
        ensure!(program.is_file(), "pgbench is missing beside {}: run `make servers`", postgres.display());
        let pool = servers.create_database(DATABASE).await?;
        sqlx::raw_sql(TABLE).execute(&pool).await?;
        pool.close().await;
        // The URL is the one place where the password is readable.
        let url = &servers.endpoints().owner_database_url;
        let password = url.split_once("://").and_then(|(_, rest)| rest.split_once('@')?.0.split_once(':'));
        let password = password.map(|(_, password)| password.to_owned());
        Ok(Self {
            libraries: unpacked_libraries(&program),
            program,
            options: servers.owner(DATABASE)?,
            password: password.context("the owner's URL has no password")?,
        })
    }

    /// Inserts for that long.
    ///
    /// # Errors
    /// pgbench fails or says nothing.
    pub async fn turn(&self, statement: Statement, time: Duration) -> anyhow::Result<Turn> {
        let socket = self.options.get_socket().context("the yardstick has no socket")?;
        let seconds = time.as_secs().max(1).to_string();
        let protocol = match statement {
            Statement::Text => "--protocol=simple",
            Statement::Prepared => "--protocol=prepared",
        };
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", protocol, "--jobs=2", "--file=-"])
            .arg(format!("--client={CLIENTS}"))
            .args(["--time", &seconds, "--username", self.options.get_username(), "--host"])
            .arg(socket)
            .args(["--port", &self.options.get_port().to_string(), DATABASE])
            .env("PGPASSWORD", &self.password)
            .envs(self.libraries.iter().map(|folder| ("LD_LIBRARY_PATH", folder)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("start pgbench")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(SCRIPT.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench: {}", said.trim());
        let said = String::from_utf8_lossy(&output.stdout);
        let per_second = after(&said, "tps = ").context("pgbench did not say how many it did")?;
        // It knows the mean only; as a percentile it would be a lie.
        Ok(Turn { per_second, latency: None::<Latency> })
    }
}

fn after(text: &str, words: &str) -> Option<f64> {
    text.split_once(words)?.1.split_ascii_whitespace().next()?.parse().ok()
}

/// For a Postgres that was unpacked instead of installed: `…/root/usr/lib/<architecture>`.
fn unpacked_libraries(program: &std::path::Path) -> Option<PathBuf> {
    let usr = program.ancestors().find(|folder| folder.ends_with("root/usr"))?;
    let folders = std::fs::read_dir(usr.join("lib")).ok()?.flatten().map(|entry| entry.path());
    folders.into_iter().find(|folder| folder.to_string_lossy().contains("-linux-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_pgbench_prints() {
        let said = "latency average = 0.6 ms\ntps = 28123.456789 (without initial connection time)\n";
        assert_eq!(after(said, "tps = "), Some(28_123.456_789));
        assert_eq!(after("nothing", "tps = "), None);
    }
}
