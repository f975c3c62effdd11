use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use embedded::{Cluster, CopyServer, Lifetime, NatsUser, Part, PostgresTools, Settings, Source};
use eventstore::{
    LogPool, connect_log, generation, grant_role,
    keys::{Kek, PgKeyStore, PgKeyStoreOptions, migrate_keys},
    migrate_log,
    stream::StreamConfig,
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::super::names;
use crate::{
    Answer, Cli, Failure,
    cli::{Command, Common, LogFormat, Span, StreamPolicy},
    terminal::Screen,
};

const SLOT: &str = "weltgewebe_drill";
/// How long a server of the drill may take for one thing.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The drill's servers.
pub struct Site {
    pub cluster: Cluster,
    pub folder: PathBuf,
    tools: PostgresTools,
    /// Where the log is: the primary's port, later the promoted server's.
    port: u16,
}

impl Site {
    /// Starts everything, migrated, with empty read models. `settings` are lines of the log's
    /// postgresql.conf.
    pub async fn start(folder: &Path, settings: &[(&str, &str)], screen: &Screen) -> Result<Self, Failure> {
        // Nothing of it may outlive us.
        let mut wanted = Settings::for_tests(folder.join("servers"));
        for (name, value) in settings {
            wanted.tuning.log_settings.push(((*name).to_owned(), (*value).to_owned()));
        }
        let said = |line: &str| screen.note(&format!("           {line}"));
        let cluster = Cluster::start(wanted.clone(), &said).await?;
        let tools = PostgresTools::find(&wanted.search_path, &folder.join("servers/postgres-log"))?;
        let port = options(&cluster.endpoints().database_url)?.get_port();
        let site = Self { cluster, folder: folder.to_owned(), tools, port };
        site.prepare().await?;
        Ok(site)
    }

    async fn prepare(&self) -> Result<(), Failure> {
        let broke =
            |error: sqlx::migrate::MigrateError| Failure::could_not_run(format!("migration: {error}"));
        let keys = pool(options(&self.cluster.endpoints().keys_owner_database_url)?, 2);
        migrate_keys(&keys).await.map_err(broke)?;
        grant_role(&keys, "weltgewebe_keys_runtime", "weltgewebe_keys").await?;
        keys.close().await;
        let owner = self.owner()?;
        migrate_log(&owner).await.map_err(broke)?;
        grant_role(&owner, "weltgewebe_runtime", "weltgewebe_app").await?;
        generation::install(&owner, &names::registry()).await?;
        owner.close().await;
        Ok(())
    }

    pub const fn tools(&self) -> &PostgresTools {
        &self.tools
    }

    /// The log as its owner, on the server that has it now.
    pub fn owner(&self) -> Result<PgPool, Failure> {
        Ok(pool(self.owner_options()?, 4))
    }

    fn owner_options(&self) -> Result<PgConnectOptions, Failure> {
        Ok(options(&self.cluster.endpoints().owner_database_url)?.port(self.port))
    }

    pub fn owner_on(&self, port: u16) -> Result<PgPool, Failure> {
        Ok(pool(self.owner_options()?.port(port), 4))
    }

    /// The log as the application, refused where it does not belong.
    pub async fn log(&self, connections: u32) -> Result<LogPool, Failure> {
        let options = options(&self.cluster.endpoints().database_url)?.port(self.port);
        Ok(connect_log(options, connections).await?)
    }

    pub async fn keys(&self) -> Result<PgKeyStore, Failure> {
        let kek = Kek::load(None, &self.kek_file())?;
        let pool = pool(options(&self.cluster.endpoints().keys_database_url)?, 4);
        Ok(PgKeyStore::connect(pool, Arc::new(kek), PgKeyStoreOptions::default()).await?)
    }

    fn kek_file(&self) -> PathBuf {
        self.folder.join("keys").join("kek")
    }

    pub fn nats_url(&self) -> String {
        self.cluster.endpoints().nats.url_for(NatsUser::Admin)
    }

    pub fn stream_config(epoch: i32) -> StreamConfig {
        StreamConfig { max_bytes: 4 << 30, ..StreamConfig::embedded(epoch) }
    }

    /// A replica that follows the primary, copied now.
    pub async fn replica(&self) -> Result<CopyServer, Failure> {
        let data = self.folder.join("replica");
        let how = ["--wal-method=stream", "--write-recovery-conf", "--create-slot", "--slot", SLOT];
        let source = Source::of(&self.cluster.endpoints().owner_database_url);
        self.tools.base_backup(&source, &data, &how).await?;
        Ok(self.tools.start(&data, &[], Lifetime::Tests, PATIENCE).await?)
    }

    /// From here on the log is on another server.
    pub const fn log_is_at(&mut self, port: u16) {
        self.port = port;
    }

    pub fn kill_primary(&mut self) {
        self.cluster.kill9(Part::Log);
    }

    /// A command of this program, as an operator would give it, on the drill's servers.
    pub async fn command(
        &self,
        command: Command,
        screen: &Screen,
        stop: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let cli = Cli { command, common: self.common() };
        Box::pin(super::super::dispatch(&cli, screen, stop)).await
    }

    fn common(&self) -> Common {
        let endpoints = self.cluster.endpoints();
        let here = |url: &str| with_port(url, self.port).into();
        Common {
            json: false,
            data_dir: self.folder.clone(),
            database_url: Some(here(&endpoints.database_url)),
            owner_database_url: Some(here(&endpoints.owner_database_url)),
            keys_database_url: Some(endpoints.keys_database_url.clone().into()),
            keys_owner_database_url: Some(endpoints.keys_owner_database_url.clone().into()),
            kek_file: Some(self.kek_file()),
            key_lease: Span(Duration::from_secs(60)),
            nats_url: Some(self.nats_url().into()),
            nats_relay_url: None,
            nats_creds: None,
            redis_url: Some(endpoints.redis_url.clone().into()),
            // A drill is about what cannot be filled again from the log.
            typesense_url: None,
            typesense_api_key: None,
            typesense_api_key_file: None,
            meili_url: None,
            meili_api_key: None,
            meili_api_key_file: None,
            search_namespace: "weltgewebe".to_owned(),
            stream: StreamPolicy {
                stream_replicas: None,
                stream_max_age: None,
                stream_max_bytes: "4GiB".parse().ok(),
                stream_dedupe: "2m".parse().ok(),
            },
            log: "warn".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// Asks again and again until it is so.
pub async fn until<F>(what: &str, mut is_so: impl FnMut() -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<bool, sqlx::Error>>,
{
    let since = Instant::now();
    loop {
        // A server that is starting, stopping or promoted meanwhile breaks connections.
        if is_so().await.unwrap_or(false) {
            return Ok(());
        }
        if since.elapsed() > PATIENCE {
            return Err(Failure::could_not_run(format!("waited too long until {what}")));
        }
        sleep(Duration::from_millis(25)).await;
    }
}

fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options)
}

fn options(url: &str) -> Result<PgConnectOptions, Failure> {
    // Our own servers' URL; the parser's message may quote a password.
    PgConnectOptions::from_str(url).map_err(|_| Failure::could_not_run("a private server has no URL"))
}

fn with_port(url: &str, port: u16) -> String {
    match url.rsplit_once(':').and_then(|(before, after)| Some((before, after.split_once('/')?.1))) {
        Some((before, database)) => format!("{before}:{port}/{database}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_moves_to_another_port() {
        let moved = with_port("postgres://a:b@127.0.0.1:5432/weltgewebe", 7);
        assert_eq!(moved, "postgres://a:b@127.0.0.1:7/weltgewebe");
    }
}
