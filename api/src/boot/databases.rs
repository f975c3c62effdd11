use std::time::Duration;

use eventstore::{
    LogPool, connect_log,
    keys::{KekRing, PgKeyStore, PgKeyStoreOptions},
};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{BootError, places::Places, prepared_statements::probe};
use crate::settings::{KeyStoreSettings, PlaceSettings};

/// Connections of the command side. Too high: nothing but memory, the appender uses one; too
/// low: loading aggregates waits for each other.
const COMMANDS: u32 = 8;
/// Connections of relay and projector, each of which holds one for its batch.
const BACKGROUND: u32 = 6;
/// Connections of queries; two cores answer no faster with more.
pub(super) const READS: u32 = 8;
const KEYS: u32 = 4;

pub(super) struct Databases {
    pub commands: LogPool,
    pub background: LogPool,
    /// Queries on the primary.
    pub reads: PgPool,
    /// And on its replica, where there is one.
    pub replica: Option<PgPool>,
    pub keys: PgKeyStore,
}

/// Asks each server for its version, so that the first error is the clearest one.
pub(super) async fn check(name: &'static str, options: &PgConnectOptions) -> Result<(), BootError> {
    let connecting = timeout(Duration::from_secs(5), PgConnection::connect_with(options)).await;
    let connection = match connecting {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(BootError::unreachable(name, &error)),
        Err(_) => return Err(BootError::Unreachable { name, kind: "no answer within 5 s".into() }),
    };
    let version = connection.server_version_num();
    // Closing politely is a courtesy; the server notices in any case.
    let _ = connection.close().await;
    match version {
        Some(number) if number < 150_000 => {
            Err(BootError::TooOld { name, found: format!("{}.{}", number / 10_000, number % 10_000) })
        }
        _ => Ok(()),
    }
}

/// The key-encryption key, before anything is started: without it nothing can be read.
pub(super) fn load_kek(place: &PlaceSettings, key_store: &KeyStoreSettings) -> Result<KekRing, BootError> {
    let file = key_store.kek_file.clone().unwrap_or_else(|| place.keys_dir().join("kek"));
    Ok(KekRing::load(key_store.kek.as_ref().map(|text| text.expose()), &file)?)
}

/// Opens every pool as the application.
pub(super) async fn open(places: &Places, kek: KekRing, lease: Duration) -> Result<Databases, BootError> {
    if !places.private_log {
        probe("DATABASE_URL", &places.log.app).await?;
    }
    if let Some(reads) = &places.reads {
        check("DATABASE_READ_URL", reads).await?;
        probe("DATABASE_READ_URL", reads).await?;
    }
    let commands = connect_log(places.log.app.clone(), COMMANDS).await?;
    let background = connect_log(places.log.app.clone(), BACKGROUND).await?;
    let reads = pool(READS).connect_with(places.log.app.clone()).await;
    let reads = reads.map_err(|error| BootError::unreachable("DATABASE_URL", &error))?;
    // It was reached just now; from here on it may come and go.
    let replica = places.reads.clone().map(|options| pool(READS).connect_lazy_with(options));
    let keys = pool(KEYS).connect_with(places.keys.app.clone()).await;
    let keys = keys.map_err(|error| BootError::unreachable("KEYS_DATABASE_URL", &error))?;
    let options = PgKeyStoreOptions { lease, ..PgKeyStoreOptions::default() };
    let keys = PgKeyStore::connect(keys, kek, options).await?;
    Ok(Databases { commands, background, reads, replica, keys })
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(2))
        // A dead connection shows in its first statement; asking before each costs every query.
        .test_before_acquire(false)
}
