use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use eventstore::{
    LogPool, StoreError, connect_log,
    control::Control,
    epoch::{self, CheckpointFile, EpochStatus, Standing},
    keys::{Kek, KekRing, KeyStore, PgKeyStore, PgKeyStoreOptions},
    stream::{StreamClient, StreamConfig},
};
use lifecycle::certificate::CertificateKey;
use projections::{search::outside::Outside, weave::hot_views::HotRedis};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::Mutex;

use super::{
    engines::engines,
    place::{Need, Place, find},
};
use crate::{
    Failure,
    cli::{Common, SecretUrl},
    terminal::Screen,
};

/// An unreachable server must not keep an operator waiting longer.
const CONNECT: Duration = Duration::from_secs(5);
/// Rebuilds write three read models at once, beside the scan and the claims.
const OWNER_CONNECTIONS: u32 = 8;

/// Everything a command works on. Close it, so that what was started is stopped.
pub struct Servers {
    common: Common,
    place: Place,
    database: PgConnectOptions,
    owner: PgPool,
    opened: Mutex<Vec<PgKeyStore>>,
}

impl Servers {
    /// Finds or starts the servers and shows that the log's Postgres answers.
    pub async fn open(common: &Common, need: Need, screen: &Screen) -> Result<Self, Failure> {
        let place = find(common, need, screen).await?;
        match Self::connect(common, &place).await {
            Ok((database, owner)) => {
                Ok(Self { common: common.clone(), place, database, owner, opened: Mutex::default() })
            }
            Err(failure) => {
                stop(place).await;
                Err(failure)
            }
        }
    }

    async fn connect(common: &Common, place: &Place) -> Result<(PgConnectOptions, PgPool), Failure> {
        let database = parse("DATABASE_URL", &place.database)?;
        let owner = parse("OWNER_DATABASE_URL", &place.owner)?;
        let name = if common.owner_database_url.is_some() { "OWNER_DATABASE_URL" } else { "DATABASE_URL" };
        reach(name, &owner).await?;
        let pool = PgPoolOptions::new()
            .max_connections(OWNER_CONNECTIONS)
            .acquire_timeout(CONNECT)
            .connect_lazy_with(owner);
        Ok((database, pool))
    }

    /// The log's database as its owner, whether this server may be written to or not: for looking,
    /// and for what checks the epoch by itself.
    pub const fn owner(&self) -> &PgPool {
        &self.owner
    }

    /// For programs that connect by themselves; never to be shown.
    pub fn owner_url(&self) -> &str {
        &self.place.owner
    }

    pub fn keys_owner_url(&self) -> Option<&str> {
        self.place.keys_owner.as_deref()
    }

    /// The log as the application sees it: refused on a server that is not the epoch's own.
    pub async fn log(&self) -> Result<LogPool, Failure> {
        // Asked first, because a pool tries again for five seconds before it gives up.
        if epoch::status(&self.owner).await?.standing() != Standing::Ours {
            return Err(StoreError::Fenced.into());
        }
        Ok(connect_log(self.database.clone(), 4).await?)
    }

    /// `user@host:port/database`, without password.
    pub fn told_database(&self) -> String {
        told(&self.database)
    }

    pub fn data_dir(&self) -> &Path {
        &self.common.data_dir
    }

    pub fn checkpoint_file(&self) -> CheckpointFile {
        CheckpointFile::in_data_dir(&self.common.data_dir)
    }

    /// The stream of the log's present epoch.
    pub async fn stream(&self, epoch: &EpochStatus) -> Result<StreamClient, Failure> {
        let Some(url) = &self.place.nats else {
            return Err(Failure::could_not_run("no NATS is known: set NATS_URL"));
        };
        let config: StreamConfig = self.common.stream.config(epoch.epoch, self.place.private_nats);
        let connecting = StreamClient::connect(url, self.common.nats_creds.as_deref(), config);
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(client) => Ok(client?),
            Err(_) => Err(Failure::could_not_run("NATS did not answer within 5 seconds")),
        }
    }

    /// The same, with the right to delete messages.
    pub async fn eraser(
        &self,
        epoch: &EpochStatus,
        url: Option<&SecretUrl>,
    ) -> Result<StreamClient, Failure> {
        let Some(url) = url else { return self.stream(epoch).await };
        let config: StreamConfig = self.common.stream.config(epoch.epoch, self.place.private_nats);
        let connecting = StreamClient::connect(url.expose(), self.common.nats_creds.as_deref(), config);
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(client) => Ok(client?),
            Err(_) => Err(Failure::could_not_run("NATS did not answer within 5 seconds")),
        }
    }

    /// The search engines beside Postgres.
    pub fn engines(&self) -> Result<Vec<Arc<dyn Outside>>, Failure> {
        engines(&self.common, self.place.handle.as_ref().map(embedded::Handle::endpoints))
    }

    /// Redis with the hot views; `None` when no Redis is known.
    pub fn hot(&self) -> Result<Option<HotRedis>, Failure> {
        Ok(self.place.redis.as_deref().map(HotRedis::open).transpose()?)
    }

    pub async fn keys(&self) -> Result<Arc<dyn KeyStore>, Failure> {
        let url = self.place.keys.as_deref().unwrap_or_default();
        let options = parse("KEYS_DATABASE_URL", url)?;
        reach("KEYS_DATABASE_URL", &options).await?;
        self.kek()?;
        let kek = KekRing::load(std::env::var("KEK").ok().as_deref(), &self.kek_file())?;
        let pool =
            PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT).connect_lazy_with(options);
        let options = PgKeyStoreOptions { lease: self.common.key_lease.0, ..PgKeyStoreOptions::default() };
        let store = PgKeyStore::connect(pool, kek, options).await?;
        // Said goodbye in the end, or an erasure would wait for us.
        self.opened.lock().await.push(store.clone());
        Ok(Arc::new(store))
    }

    /// NATS as the application, for words between processes; `None` when none is known.
    pub async fn control(&self) -> Result<Option<Control>, Failure> {
        match &self.place.nats {
            Some(url) => Ok(Some(Control::connect(url, self.common.nats_creds.as_deref()).await?)),
            None => Ok(None),
        }
    }

    /// The keys database as its owner.
    pub fn keys_owner(&self) -> Result<PgPool, Failure> {
        let url = self.place.keys_owner.as_deref().or(self.place.keys.as_deref()).unwrap_or_default();
        let options = parse("KEYS_OWNER_DATABASE_URL", url)?;
        Ok(PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT).connect_lazy_with(options))
    }

    /// Signs certificates and exports.
    pub fn certificate_key(&self) -> Result<CertificateKey, Failure> {
        CertificateKey::load(&self.common.data_dir.join("keys").join("certificate"))
            .map_err(Failure::could_not_run)
    }

    /// The key-encryption key, which must be there.
    pub fn kek(&self) -> Result<Kek, Failure> {
        let variable = std::env::var("KEK").ok();
        let file = self.kek_file();
        if variable.is_none() && !file.exists() {
            // A new key would open nothing and hide that the right one is missing.
            let file = file.display();
            return Err(Failure::could_not_run(format!("the key file {file} is missing: set KEK_FILE")));
        }
        Ok(Kek::load(variable.as_deref(), &file)?)
    }

    pub fn kek_file(&self) -> PathBuf {
        self.common.kek_file.clone().unwrap_or_else(|| self.common.data_dir.join("keys").join("kek"))
    }

    /// Stops what `open` started.
    pub async fn close(self) {
        for store in self.opened.into_inner() {
            if let Err(error) = store.leave().await {
                eprintln!("the key store was left without a word: {error}");
            }
        }
        self.owner.close().await;
        stop(self.place).await;
    }
}

async fn stop(place: Place) {
    if let Some(handle) = place.handle
        && let Err(error) = handle.shutdown().await
    {
        eprintln!("the private servers could not be stopped: {error}");
    }
}

fn parse(name: &str, url: &str) -> Result<PgConnectOptions, Failure> {
    // The parser's own message may quote the URL, and with it a password.
    PgConnectOptions::from_str(url).map_err(|_| {
        Failure::could_not_run(format!("{name} is not a URL like postgres://user@host:5432/database"))
    })
}

/// One connection, at once: a pool would try again and say only that it took too long.
async fn reach(name: &str, options: &PgConnectOptions) -> Result<(), Failure> {
    let unreachable = |why: String| {
        Failure::could_not_run(format!("the database {} ({name}) cannot be reached: {why}", told(options)))
    };
    match tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => {
            // Politeness only.
            let _ = connection.close().await;
            Ok(())
        }
        Ok(Err(sqlx::Error::Io(error))) => Err(unreachable(error.kind().to_string())),
        Ok(Err(error)) => {
            Err(unreachable(match error.as_database_error().and_then(|error| error.code()).as_deref() {
                Some("28P01" | "28000") => "it refuses the login".to_owned(),
                Some("3D000") => "there is no such database".to_owned(),
                Some("57P03") => "it is starting or stopping".to_owned(),
                Some("53300") => "it has no connection left".to_owned(),
                _ => eventstore::failure_kind(&error),
            }))
        }
        Err(_) => Err(unreachable("no answer within 5 seconds".to_owned())),
    }
}

fn told(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    format!("{}@{}:{}/{database}", options.get_username(), options.get_host(), options.get_port())
}
