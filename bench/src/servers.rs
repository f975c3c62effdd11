//! The private servers of one run, and what the parts find on them.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::Context;
use embedded::{Cluster, Endpoints, Lifetime, Part, Parts, Settings};
use eventstore::{LogPool, connect_log, grant_role, migrate_log};
use sqlx::{
    ConnectOptions, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tempfile::TempDir;

use crate::arguments::Arguments;

/// Servers with the settings `make run` gives them, in a folder that goes away with them.
pub struct Servers {
    cluster: Cluster,
    /// After the servers: nothing may write there any more.
    folder: TempDir,
}

impl Servers {
    /// # Errors
    /// A server is missing or does not start; the message says which and what to do.
    pub async fn start(arguments: &Arguments, parts: &[Part]) -> anyhow::Result<Self> {
        let scratch = &arguments.scratch;
        std::fs::create_dir_all(scratch).with_context(|| format!("create {}", scratch.display()))?;
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(scratch)?;
        let mut settings = Settings::new(folder.path());
        settings.parts = Parts::only(parts);
        // They die with us, whatever happens; fsync stays on.
        settings.lifetime = Lifetime::Tests;
        let cluster = Cluster::start(settings, &|line| eprintln!("bench: {line}")).await?;
        Ok(Self { cluster, folder })
    }

    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        self.cluster.endpoints()
    }

    /// Where they keep their data; an `api` with this folder uses them.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The program of the running postmaster: its tools lie beside it.
    ///
    /// # Errors
    /// The server has died.
    pub fn postgres_program(&self) -> anyhow::Result<PathBuf> {
        let pid = self.cluster.pid(Part::Log).context("the private Postgres has died")?;
        std::fs::read_link(format!("/proc/{pid}/exe")).context("find the program of the private Postgres")
    }

    /// Owner's connection options for a database, over the unix socket like everybody's here:
    /// what is compared must not differ in how it connects.
    ///
    /// # Errors
    /// Never with the URLs `embedded` makes.
    pub fn owner(&self, database: &str) -> anyhow::Result<PgConnectOptions> {
        let endpoints = self.endpoints();
        let owner = PgConnectOptions::from_str(&endpoints.owner_database_url)?;
        let socket = PgConnectOptions::from_str(&endpoints.database_socket_url)?;
        let folder = socket.get_socket().context("the private Postgres has no socket")?;
        Ok(owner.socket(folder).database(database).disable_statement_logging())
    }

    /// A new, empty database.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<PgPool> {
        let admin = self.owner_pool("postgres", 1).await?;
        // The name is a constant of this crate.
        sqlx::raw_sql(&format!("create database {name}")).execute(&admin).await?;
        admin.close().await;
        self.owner_pool(name, 2).await
    }

    /// # Errors
    /// The server cannot be reached.
    pub async fn owner_pool(&self, database: &str, connections: u32) -> anyhow::Result<PgPool> {
        pool(self.owner(database)?, connections).await
    }

    /// The log's database as its owner.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn owner_of_log(&self, connections: u32) -> anyhow::Result<PgPool> {
        let owner = PgConnectOptions::from_str(&self.endpoints().owner_database_url)?;
        let database = owner.get_database().context("the log's URL names no database")?;
        self.owner_pool(database, connections).await
    }

    /// Migrates the log and connects to it as the application does.
    ///
    /// # Errors
    /// A migration fails, or the server cannot be reached.
    pub async fn log(&self, connections: u32) -> anyhow::Result<(PgPool, LogPool)> {
        let endpoints = self.endpoints();
        let app = PgConnectOptions::from_str(&endpoints.database_socket_url)?.disable_statement_logging();
        let owner = self.owner_of_log(2).await?;
        migrate_log(&owner).await?;
        grant_role(&owner, "weltgewebe_runtime", app.get_username()).await?;
        let log = connect_log(app, connections).await?;
        Ok((owner, log))
    }

    /// # Errors
    /// A server did not stop.
    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.cluster.shutdown().await?)
    }
}

/// The search engines whose programs are installed here.
#[must_use]
pub fn installed_engines() -> Vec<Part> {
    let shelves = Settings::new("").search_path;
    let there = |part: &Part| embedded::installed(*part, &shelves).is_ok();
    [Part::Typesense, Part::Meilisearch].into_iter().filter(there).collect()
}

/// # Errors
/// The server cannot be reached.
pub async fn pool(options: PgConnectOptions, connections: u32) -> anyhow::Result<PgPool> {
    let options = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false)
        .connect_with(options);
    Ok(options.await?)
}

/// Makes a server as old as one that has run for a day: its WAL segments are there to be used
/// again. A new one has to write every segment twice, first with zeros, and then whoever writes
/// most is slowed most.
///
/// # Errors
/// The server cannot be reached, or the disk is full.
pub async fn age(owner: &PgPool, mebibytes: i32) -> anyhow::Result<()> {
    sqlx::raw_sql("create table ballast (text text); checkpoint").execute(owner).await?;
    sqlx::query("insert into ballast select repeat('x', 1000) from generate_series(1, $1 * 1000)")
        .bind(mebibytes)
        .execute(owner)
        .await?;
    sqlx::raw_sql("drop table ballast; checkpoint").execute(owner).await?;
    Ok(())
}
