use std::str::FromStr;

use embedded::{Cluster, Endpoints, Handle, NatsUser, Part, Parts};
use sqlx::postgres::PgConnectOptions;

use super::{
    BootError, Progress,
    engines::{self, EnginePlaces},
};
use crate::settings::{
    DatabaseSettings, KeyStoreSettings, PlaceSettings, RedisSettings, SearchSettings, SecretText,
    StreamSettings,
};

/// A database, as the application and as its owner.
#[derive(Clone)]
pub(super) struct Database {
    pub app: PgConnectOptions,
    pub owner: PgConnectOptions,
    /// The owner's URL was given, or the server is ours.
    pub owner_known: bool,
}

impl Database {
    /// The role that has to be let in, when it is not the owner itself.
    pub fn login_to_grant(&self) -> Option<&str> {
        (self.app.get_username() != self.owner.get_username()).then(|| self.app.get_username())
    }
}

/// Where everything is.
pub(super) struct Places {
    /// Servers we started or attached to; `None` when every part has a URL.
    pub servers: Option<Handle>,
    pub log: Database,
    pub reads: Option<PgConnectOptions>,
    pub keys: Database,
    /// NATS as the application and as the relay.
    pub nats: (SecretText, SecretText),
    pub redis: Option<SecretText>,
    pub engines: EnginePlaces,
    /// The log is on a private server.
    pub private_log: bool,
    pub private_nats: bool,
}

/// Settings of the two databases, which `migrate` needs alone.
pub(super) struct Wanted<'a> {
    pub place: &'a PlaceSettings,
    pub database: &'a DatabaseSettings,
    pub key_store: &'a KeyStoreSettings,
    /// `None`: nothing but databases is needed.
    pub others: Option<Others<'a>>,
}

#[derive(Clone, Copy)]
pub(super) struct Others<'a> {
    pub stream: &'a StreamSettings,
    pub redis: &'a RedisSettings,
    pub search: &'a SearchSettings,
}

/// Starts or attaches to what has no URL.
pub(super) async fn find(wanted: Wanted<'_>, progress: Progress<'_>) -> Result<Places, BootError> {
    let Wanted { place, database, key_store, others } = wanted;
    let urls = Urls::read(database, key_store)?;
    let parts = Parts {
        log: database.database_url.is_none(),
        keys: key_store.keys_database_url.is_none(),
        nats: others.is_some_and(|others| others.stream.nats_url.is_none()),
        redis: others.is_some_and(|others| others.redis.redis_url.is_none()),
        typesense: others.is_some_and(|others| engines::is_private(Part::Typesense, others.search)),
        meilisearch: others.is_some_and(|others| engines::is_private(Part::Meilisearch, others.search)),
    };
    let servers = if parts.iter().next().is_some() {
        let settings = embedded::Settings { parts, ..embedded::Settings::new(&place.data_dir) };
        Some(Cluster::start_or_attach(settings, progress).await?)
    } else {
        None
    };
    let endpoints = servers.as_ref().map(Handle::endpoints);
    Ok(Places {
        log: match endpoints {
            // The unix socket costs less per round trip.
            Some(private) => database_of(urls.log, &private.database_socket_url, &private.owner_database_url),
            None => database_of(urls.log, "", ""),
        }?,
        reads: urls.reads,
        keys: match endpoints {
            Some(private) => {
                database_of(urls.keys, &private.keys_database_url, &private.keys_owner_database_url)
            }
            None => database_of(urls.keys, "", ""),
        }?,
        nats: others.map_or_else(|| (none(), none()), |others| nats(others.stream, endpoints)),
        redis: others.and_then(|Others { redis, .. }| {
            let private = || endpoints.map(|endpoints| SecretText::from(endpoints.redis_url.clone()));
            redis.redis_url.clone().or_else(private)
        }),
        engines: match others {
            Some(others) => EnginePlaces::of(others.search, endpoints)?,
            None => EnginePlaces::default(),
        },
        private_log: parts.contains(Part::Log),
        private_nats: parts.contains(Part::Nats),
        servers,
    })
}

/// What was given, read before anything is started. Each database: as the application, as its
/// owner.
struct Urls {
    log: (Option<PgConnectOptions>, Option<PgConnectOptions>),
    reads: Option<PgConnectOptions>,
    keys: (Option<PgConnectOptions>, Option<PgConnectOptions>),
}

impl Urls {
    fn read(log: &DatabaseSettings, keys: &KeyStoreSettings) -> Result<Self, BootError> {
        Ok(Self {
            log: (
                given("DATABASE_URL", log.database_url.as_ref())?,
                given("OWNER_DATABASE_URL", log.owner_database_url.as_ref())?,
            ),
            reads: given("DATABASE_READ_URL", log.database_read_url.as_ref())?,
            keys: (
                given("KEYS_DATABASE_URL", keys.keys_database_url.as_ref())?,
                given("KEYS_OWNER_DATABASE_URL", keys.keys_owner_database_url.as_ref())?,
            ),
        })
    }
}

/// What was given, or the private server.
fn database_of(
    (app, owner): (Option<PgConnectOptions>, Option<PgConnectOptions>),
    private: &str,
    private_owner: &str,
) -> Result<Database, BootError> {
    match app {
        Some(app) => {
            let owner_known = owner.is_some();
            Ok(Database { owner: owner.unwrap_or_else(|| app.clone()), app, owner_known })
        }
        None => {
            let parse = |url| options("the private server's record", url);
            Ok(Database { app: parse(private)?, owner: parse(private_owner)?, owner_known: true })
        }
    }
}

fn nats(settings: &StreamSettings, private: Option<&Endpoints>) -> (SecretText, SecretText) {
    match (&settings.nats_url, private) {
        (Some(url), _) => (url.clone(), settings.nats_relay_url.clone().unwrap_or_else(|| url.clone())),
        (None, Some(private)) => {
            (private.nats.url_for(NatsUser::App).into(), private.nats.url_for(NatsUser::Relay).into())
        }
        (None, None) => (none(), none()),
    }
}

fn none() -> SecretText {
    String::new().into()
}

fn given(name: &'static str, url: Option<&SecretText>) -> Result<Option<PgConnectOptions>, BootError> {
    url.map(|url| options(name, url.expose())).transpose()
}

fn options(name: &'static str, url: &str) -> Result<PgConnectOptions, BootError> {
    let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    // The parser's own error may quote the URL.
    match PgConnectOptions::from_str(url) {
        Ok(options) if is_postgres => Ok(options.application_name("weltgewebe-api")),
        _ => Err(BootError::Url(name, "postgres://user:password@host:port/database")),
    }
}
