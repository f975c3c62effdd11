use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use embedded::{Cluster, CopyServer, Endpoints, Lifetime, NatsUser, Part, PostgresTools, Settings, Source};
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

use super::{super::names, scratch::Given};
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
    /// Private servers; those that were given are not among them.
    cluster: Cluster,
    given: Option<Given>,
    endpoints: Endpoints,
    nats_url: String,
    pub folder: PathBuf,
    tools: Option<PostgresTools>,
    /// Where the log is: the primary, later the promoted server.
    at: Host,
}

/// Host and port of a Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String, u16);

impl Host {
    fn of(options: &PgConnectOptions) -> Self {
        Self(options.get_host().to_owned(), options.get_port())
    }
}

/// A standby of the log.
pub enum Replica {
    Ours(CopyServer),
    Given(Host),
}

impl Replica {
    pub fn host(&self) -> Host {
        match self {
            Self::Ours(server) => Host("127.0.0.1".to_owned(), server.port()),
            Self::Given(host) => host.clone(),
        }
    }
}

impl Site {
    /// Starts everything, migrated, with empty read models. `settings` are lines of the log's
    /// postgresql.conf.
    pub async fn start(
        folder: &Path,
        settings: &[(&str, &str)],
        given: Option<Given>,
        screen: &Screen,
    ) -> Result<Self, Failure> {
        // Nothing of it may outlive us.
        let mut wanted = Settings::for_tests(folder.join("servers"));
        for (name, value) in settings {
            wanted.tuning.log_settings.push(((*name).to_owned(), (*value).to_owned()));
        }
        if let Some(given) = &given {
            wanted.parts = given.private();
        }
        let said = |line: &str| screen.note(&format!("           {line}"));
        let cluster = Cluster::start(wanted.clone(), &said).await?;
        let mut endpoints = cluster.endpoints().clone();
        let theirs = given.as_ref().and_then(|given| given.fill(&mut endpoints));
        let nats_url = theirs.unwrap_or_else(|| endpoints.nats.url_for(NatsUser::Admin));
        // Copies are made of private servers only.
        let tools = match given {
            Some(_) => None,
            None => Some(PostgresTools::find(&wanted.search_path, &folder.join("servers/postgres-log"))?),
        };
        let at = Host::of(&options(&endpoints.database_url)?);
        let site = Self { cluster, given, endpoints, nats_url, folder: folder.to_owned(), tools, at };
        site.prepare().await?;
        Ok(site)
    }

    async fn prepare(&self) -> Result<(), Failure> {
        let broke =
            |error: sqlx::migrate::MigrateError| Failure::could_not_run(format!("migration: {error}"));
        let keys = pool(options(&self.endpoints.keys_owner_database_url)?, 2);
        migrate_keys(&keys).await.map_err(broke)?;
        grant_role(&keys, "weltgewebe_keys_runtime", &user(&self.endpoints.keys_database_url)?).await?;
        keys.close().await;
        let owner = self.owner()?;
        migrate_log(&owner).await.map_err(broke)?;
        grant_role(&owner, "weltgewebe_runtime", &user(&self.endpoints.database_url)?).await?;
        generation::install(&owner, &names::registry()).await?;
        owner.close().await;
        Ok(())
    }

    /// # Errors
    /// The servers are somebody else's: none of theirs is copied.
    pub fn tools(&self) -> Result<&PostgresTools, Failure> {
        self.tools.as_ref().ok_or_else(|| Failure::could_not_run("servers that were given are not copied"))
    }

    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The log as its owner, on the server that has it now.
    pub fn owner(&self) -> Result<PgPool, Failure> {
        Ok(pool(self.owner_options()?, 4))
    }

    fn owner_options(&self) -> Result<PgConnectOptions, Failure> {
        Ok(here(options(&self.endpoints.owner_database_url)?, &self.at))
    }

    pub fn owner_on(&self, host: &Host) -> Result<PgPool, Failure> {
        Ok(pool(here(self.owner_options()?, host), 4))
    }

    /// The log as the application, refused where it does not belong.
    pub async fn log(&self, connections: u32) -> Result<LogPool, Failure> {
        let options = here(options(&self.endpoints.database_url)?, &self.at);
        Ok(connect_log(options, connections).await?)
    }

    pub async fn keys(&self) -> Result<PgKeyStore, Failure> {
        let kek = Kek::load(None, &self.kek_file())?;
        let pool = pool(options(&self.endpoints.keys_database_url)?, 4);
        Ok(PgKeyStore::connect(pool, Arc::new(kek), PgKeyStoreOptions::default()).await?)
    }

    fn kek_file(&self) -> PathBuf {
        self.folder.join("keys").join("kek")
    }

    pub fn nats_url(&self) -> String {
        self.nats_url.clone()
    }

    pub fn stream_config(epoch: i32) -> StreamConfig {
        StreamConfig { max_bytes: 4 << 30, ..StreamConfig::embedded(epoch) }
    }

    /// A replica that follows the primary: copied now, or the one that was given.
    pub async fn replica(&self) -> Result<Replica, Failure> {
        if let Some(given) = &self.given {
            return Ok(Replica::Given(Host::of(&given.replica()?)));
        }
        let data = self.folder.join("replica");
        let how = ["--wal-method=stream", "--write-recovery-conf", "--create-slot", "--slot", SLOT];
        let source = Source::of(&self.endpoints.owner_database_url);
        let tools = self.tools()?;
        tools.base_backup(&source, &data, &how).await?;
        Ok(Replica::Ours(tools.start(&data, &[], Lifetime::Tests, PATIENCE).await?))
    }

    /// Ends the replica's following; it needs a moment.
    pub async fn promote(&self, replica: &Replica) -> Result<(), Failure> {
        match replica {
            Replica::Ours(server) => server.promote()?,
            Replica::Given(host) => {
                let owner = self.owner_on(host)?;
                sqlx::query("select pg_promote(false)").execute(&owner).await?;
                owner.close().await;
            }
        }
        Ok(())
    }

    /// From here on the log is on another server.
    pub fn log_is_at(&mut self, host: Host) {
        self.at = host;
    }

    /// A server of ours on this machine.
    pub fn log_is_at_port(&mut self, port: u16) {
        self.at.1 = port;
    }

    /// Signal 9, or what the owner of the servers gave for it.
    pub async fn kill_primary(&mut self) -> Result<(), Failure> {
        match &self.given {
            Some(given) => given.kill().await,
            None => {
                self.cluster.kill9(Part::Log);
                Ok(())
            }
        }
    }

    pub async fn shutdown(self) -> Result<(), Failure> {
        Ok(self.cluster.shutdown().await?)
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
        let endpoints = &self.endpoints;
        let here = |url: &str| with_host(url, &self.at).into();
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

pub(super) fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options)
}

fn options(url: &str) -> Result<PgConnectOptions, Failure> {
    // The parser's message may quote a password.
    PgConnectOptions::from_str(url).map_err(|_| Failure::could_not_run("a server of the drill has no URL"))
}

fn here(options: PgConnectOptions, Host(host, port): &Host) -> PgConnectOptions {
    options.host(host).port(*port)
}

fn user(url: &str) -> Result<String, Failure> {
    Ok(options(url)?.get_username().to_owned())
}

/// The same URL with another host and port.
fn with_host(url: &str, Host(host, port): &Host) -> String {
    let moved = || {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_once('/')?;
        let user = authority.rsplit_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
        Some(format!("{scheme}://{user}{host}:{port}/{path}"))
    };
    moved().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_moves_to_another_server() {
        let moved = |url| with_host(url, &Host("db2".to_owned(), 7));
        assert_eq!(moved("postgres://a:b@127.0.0.1:5432/weltgewebe"), "postgres://a:b@db2:7/weltgewebe");
        assert_eq!(moved("postgres://a@db1/x?sslmode=require"), "postgres://a@db2:7/x?sslmode=require");
        assert_eq!(moved("postgres://db1/x"), "postgres://db2:7/x");
    }
}
