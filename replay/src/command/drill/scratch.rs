//! The drill on servers somebody gives for it. They are filled, killed and promoted: what holds
//! anything, or is not called scratch, is not touched.

use std::{process::Stdio, str::FromStr};

use embedded::{Endpoints, Parts};
use eventstore::stream::{StreamClient, StreamError};
use projections::weave::hot_views::HotRedis;
use sqlx::{PgPool, postgres::PgConnectOptions};

use super::site::{Site, pool};
use crate::{
    Failure,
    cli::{DrillArguments, Scenario, ScratchPart, SecretUrl},
};

/// What the name of a scratch database has in it.
const NAME: &str = "scratch";

/// Servers of somebody else; what is not among them is private.
#[derive(Debug, Clone)]
pub struct Given {
    log: SecretUrl,
    replica: SecretUrl,
    keys: Option<SecretUrl>,
    nats: Option<SecretUrl>,
    redis: Option<SecretUrl>,
    kill_primary: String,
}

impl Given {
    /// `None`: every server is private.
    ///
    /// # Errors
    /// What was given does not go together.
    pub fn of(arguments: &DrillArguments) -> Result<Option<Self>, Failure> {
        let DrillArguments { scratch_url, kill_primary, scenario, .. } = arguments;
        if scratch_url.is_empty() {
            return Ok(None);
        }
        if matches!(scenario, Scenario::Restore) {
            return Err(Failure::could_not_run(
                "a restore needs the files of its servers: leave --scratch-url out for it",
            ));
        }
        let mut parts = ScratchPart::ALL.map(|part| {
            scratch_url
                .iter()
                .filter(move |one| one.part == part)
                .map(|one| one.url.clone())
                .collect::<Vec<_>>()
        });
        if parts.iter().any(|urls| urls.len() > 1) {
            return Err(Failure::could_not_run("give each part of --scratch-url once"));
        }
        let [log, replica, keys, nats, redis] = &mut parts;
        match (log.pop(), replica.pop(), kill_primary.clone()) {
            (Some(log), Some(replica), Some(kill_primary)) => Ok(Some(Self {
                log,
                replica,
                keys: keys.pop(),
                nats: nats.pop(),
                redis: redis.pop(),
                kill_primary,
            })),
            _ => Err(Failure::could_not_run(
                "a drill on given servers needs --scratch-url log=…, --scratch-url replica=… and --kill-primary",
            )),
        }
    }

    /// The servers that are private all the same.
    pub const fn private(&self) -> Parts {
        Parts {
            keys: self.keys.is_none(),
            nats: self.nats.is_none(),
            redis: self.redis.is_none(),
            ..Parts::NONE
        }
    }

    /// Puts the given ones among the private ones; returns the URL of NATS.
    pub fn fill(&self, endpoints: &mut Endpoints) -> Option<String> {
        let log = self.log.expose().to_owned();
        (endpoints.owner_database_url, endpoints.database_url) = (log.clone(), log);
        if let Some(keys) = &self.keys {
            let keys = keys.expose().to_owned();
            (endpoints.keys_owner_database_url, endpoints.keys_database_url) = (keys.clone(), keys);
        }
        if let Some(redis) = &self.redis {
            endpoints.redis_url = redis.expose().to_owned();
        }
        self.nats.as_ref().map(|nats| nats.expose().to_owned())
    }

    pub fn replica(&self) -> Result<PgConnectOptions, Failure> {
        parsed("replica", &self.replica)
    }

    /// Refuses what is not for a drill.
    ///
    /// # Errors
    /// Exit code 1: it holds something, or is not called scratch. Exit code 2: it cannot be asked.
    pub async fn inspect(&self) -> Result<(), Failure> {
        let log = parsed("log", &self.log)?;
        named("log", &log)?;
        named("replica", &self.replica()?)?;
        let primary = pool(log, 1);
        empty("log", &primary).await?;
        let replica = pool(self.replica()?, 1);
        let (one, other) = (identity(&primary).await?, identity(&replica).await?);
        if one.0 != other.0 || one.1 || !other.1 {
            return Err(Failure::refused(
                "the replica is no standby of the log's server, or the wrong way round",
            ));
        }
        if let Some(keys) = &self.keys {
            let options = parsed("keys", keys)?;
            named("keys", &options)?;
            empty("keys", &pool(options, 1)).await?;
        }
        if let Some(nats) = &self.nats {
            let client = StreamClient::connect(nats.expose(), None, Site::stream_config(1)).await?;
            match client.state().await {
                Err(StreamError::Missing { .. }) => {}
                Ok(_) => {
                    return Err(Failure::refused("nats has a stream of events already: it is no scratch"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(redis) = &self.redis {
            let held = HotRedis::open(redis.expose())?.live().await?;
            if held.is_some() {
                return Err(Failure::refused("redis holds views of an installation: it is no scratch"));
            }
        }
        Ok(())
    }

    /// The primary dies: somebody else's machine, so by somebody else's command.
    ///
    /// # Errors
    /// The command failed, and the drill would wait for a disaster that does not come.
    pub async fn kill(&self) -> Result<(), Failure> {
        let mut command = tokio::process::Command::new("sh");
        command.arg("-c").arg(&self.kill_primary).stdin(Stdio::null()).stdout(Stdio::null());
        let ended = command.status().await.map_err(Failure::could_not_run)?;
        if ended.success() { Ok(()) } else { Err(Failure::could_not_run(format!("--kill-primary: {ended}"))) }
    }
}

fn parsed(part: &str, url: &SecretUrl) -> Result<PgConnectOptions, Failure> {
    // The parser's message may quote a password.
    PgConnectOptions::from_str(url.expose())
        .map_err(|_| Failure::could_not_run(format!("--scratch-url {part}: this is no URL of Postgres")))
}

fn named(part: &str, options: &PgConnectOptions) -> Result<(), Failure> {
    if options.get_database().is_some_and(|name| name.contains(NAME)) {
        Ok(())
    } else {
        Err(Failure::refused(format!("the database of {part} is not named as scratch (…{NAME}…)")))
    }
}

async fn empty(part: &str, pool: &PgPool) -> Result<(), Failure> {
    let relations: i64 = sqlx::query_scalar!(
        r#"select count(*) as "count!" from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"#
    )
    .fetch_one(pool)
    .await?;
    match relations {
        0 => Ok(()),
        _ => Err(Failure::refused(format!("the database of {part} is not empty"))),
    }
}

/// System identifier, and whether it follows another server.
async fn identity(pool: &PgPool) -> Result<(i64, bool), Failure> {
    let row = sqlx::query!(
        r#"select system_identifier as "system!", pg_is_in_recovery() as "follows!" from pg_control_system()"#
    )
    .fetch_one(pool)
    .await?;
    Ok((row.system, row.follows))
}
