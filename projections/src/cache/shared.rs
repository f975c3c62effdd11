use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::{
    Client, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;
use uuid::Uuid;

/// A Redis that takes longer costs more than it saves.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long it is left alone after it took longer or failed.
const AWAY: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_millis(500);
/// The right to make an answer outlives whoever had it by this at most.
const LOCK_MS: u64 = 3_000;

/// The layer that all processes share. Never an error: what it cannot do is not done.
pub(super) struct Shared {
    connection: ConnectionManager,
    away_until: Arc<Mutex<Option<Instant>>>,
}

impl Shared {
    /// Connects to nobody yet. Needs a runtime. `None` when the URL is none.
    pub fn open(url: &str) -> Option<Self> {
        let client = Client::open(url).ok()?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(CONNECT))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        let connection = ConnectionManager::new_lazy_with_config(client, config).ok()?;
        Some(Self { connection, away_until: Arc::default() })
    }

    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let mut connection = self.connection.clone();
        self.soon(async { redis::cmd("GET").arg(key).query_async(&mut connection).await }).await?
    }

    pub async fn set(&self, key: &str, bytes: &[u8], lives: Duration) {
        let ms = u64::try_from(lives.as_millis()).unwrap_or(1).max(1);
        let mut connection = self.connection.clone();
        let mut command = redis::cmd("SET");
        command.arg(key).arg(bytes).arg("PX").arg(ms);
        // One that was not stored is made again.
        let _: Option<()> = self.soon(async { command.query_async(&mut connection).await }).await;
    }

    /// The right to make the answer of a key; `None` when somebody makes it, or nobody can be
    /// asked who does.
    pub async fn lock(&self, key: &str) -> Option<Lock> {
        let (key, token) = (format!("{key}:lock"), Uuid::new_v4().to_string());
        let mut connection = self.connection.clone();
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&token).arg("NX").arg("PX").arg(LOCK_MS);
        let taken: Option<String> =
            self.soon(async { command.query_async(&mut connection).await }).await.flatten();
        taken.map(|_| Lock { key, token })
    }

    pub async fn unlock(&self, lock: Lock) {
        let script = Script::new(include_str!("../weave/hot_views/lua/renew.lua"));
        let mut connection = self.connection.clone();
        // It ends by itself when Redis does not hear us.
        let _: Option<i64> = self
            .soon(async { script.key(&lock.key).arg(&lock.token).arg(0).invoke_async(&mut connection).await })
            .await;
    }

    pub fn is_away(&self) -> bool {
        let until = *self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    async fn soon<T>(&self, work: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        if self.is_away() {
            return None;
        }
        match timeout(PATIENCE, work).await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(_)) | Err(_) => {
                *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + AWAY);
                None
            }
        }
    }
}

/// Held by who makes an answer.
pub(super) struct Lock {
    key: String,
    token: String,
}
