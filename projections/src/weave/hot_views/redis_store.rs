use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use kernel::Position;
use redis::{
    Client, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    HotError, Page, Window,
    state::{DAYS_KEPT, HOURS_KEPT, THREAD_MS},
    window::Bucket,
};

/// Of what is stored and how. A higher number, and generations of older code are built anew;
/// older code leaves those of newer code alone, so that two versions at once do not take turns.
pub(super) const SHAPE: i64 = 1;
/// Which generation is shown.
const POINTER: &str = "wg:{hot_views}:live";
/// Numbers of generations, each given out once.
const COUNTER: &str = "wg:{hot_views}:generations";
/// Who builds a generation.
const BUILDER: &str = "wg:{hot_views}:builder";
/// Everything of every generation.
const ALL: &str = "wg:{hot_views:g*}:*";

/// A script of 2,000 acts takes a tenth of a second, and is not lost when it takes longer than this:
/// the checkpoint says whether it went in.
const ANSWER: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(1);
/// A Redis that takes a reader longer is as good as none.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long readers leave it alone then.
const AWAY: Duration = Duration::from_secs(1);
/// How long a lease outlives whoever held it.
const LEASE_MS: u64 = 30_000;

/// The hot views' Redis. Cheap to clone; connects when it is first asked, and again after every
/// failure.
#[derive(Clone)]
pub struct HotRedis {
    connection: ConnectionManager,
    /// Questions of readers before this moment are not even asked.
    away_until: Arc<Mutex<Option<Instant>>>,
}

/// How far a generation is, and of which log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub generation: i64,
    pub position: Position,
    pub epoch: i32,
    /// Id of the event at `position`.
    pub event: Uuid,
    pub(super) shape: i64,
}

/// What became of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The checkpoint is at its end now.
    Moved,
    /// The checkpoint is elsewhere: somebody else was faster, or it is gone (0).
    Elsewhere(Position),
    /// A verifier holds it.
    Pinned,
}

/// The position it stands for, and conversations with score and live threads, best first.
pub type Ranked = (Position, Vec<(Uuid, i64, i64)>);

/// As the script answers it: conversation, score, live threads.
type Row = (String, i64, i64);

pub(super) fn prefix(generation: i64) -> String {
    // One hash tag: all keys of a generation are on one server of a cluster, as a script wants.
    format!("wg:{{hot_views:g{generation}}}:")
}

impl HotRedis {
    /// Connects to nobody yet. Needs a runtime.
    ///
    /// # Errors
    /// [`HotError::Url`]
    pub fn open(url: &str) -> Result<Self, HotError> {
        let client = Client::open(url).map_err(|_| HotError::Url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        let connection = ConnectionManager::new_lazy_with_config(client, config)?;
        Ok(Self { connection, away_until: Arc::default() })
    }

    /// # Errors
    /// [`HotError`] when it does not answer.
    pub async fn ping(&self) -> Result<(), HotError> {
        let _: String = redis::cmd("PING").query_async(&mut self.connection.clone()).await?;
        Ok(())
    }

    /// The generation that is shown; `None` when there is none, or only its pointer is left.
    ///
    /// # Errors
    /// [`HotError`] when Redis cannot be asked.
    pub async fn live(&self) -> Result<Option<Checkpoint>, HotError> {
        match self.pointer().await? {
            Some(generation) => self.checkpoint(generation).await,
            None => Ok(None),
        }
    }

    pub(super) async fn pointer(&self) -> Result<Option<i64>, HotError> {
        Ok(redis::cmd("GET").arg(POINTER).query_async(&mut self.connection.clone()).await?)
    }

    pub(super) async fn checkpoint(&self, generation: i64) -> Result<Option<Checkpoint>, HotError> {
        type Fields = (Option<Position>, Option<i32>, Option<String>, Option<i64>);
        let key = format!("{}checkpoint", prefix(generation));
        let mut command = redis::cmd("HMGET");
        command.arg(key).arg(&["position", "epoch", "event", "shape"]);
        let (position, epoch, event, shape): Fields =
            command.query_async(&mut self.connection.clone()).await?;
        let event = event.and_then(|text| text.parse().ok());
        let (Some(position), Some(epoch), Some(event), Some(shape)) = (position, epoch, event, shape) else {
            return Ok(None);
        };
        Ok(Some(Checkpoint { generation, position, epoch, event, shape }))
    }

    /// Applies a page and moves the checkpoint, or does neither.
    ///
    /// # Errors
    /// [`HotError`] when Redis does not answer; whether the page went in, the checkpoint says.
    pub async fn apply(&self, generation: i64, epoch: i32, page: &Page) -> Result<Applied, HotError> {
        let prefix = prefix(generation);
        let script = Script::new(include_str!("lua/apply.lua"));
        let (outcome, at): (i64, Position) = script
            .key(format!("{prefix}checkpoint"))
            .key(format!("{prefix}pin"))
            .arg(&prefix)
            .arg(page.from)
            .arg(page.to)
            .arg(epoch)
            .arg(page.last_event.to_string())
            .arg(SHAPE)
            .arg(page.to_json())
            .arg(HOURS_KEPT)
            .arg(DAYS_KEPT)
            .arg(THREAD_MS)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(match outcome {
            1 => Applied::Moved,
            2 => Applied::Pinned,
            _ => Applied::Elsewhere(at),
        })
    }

    /// The ranking within a reader's patience; `None` when Redis is away, slow or empty, and for a
    /// moment after it was: a dead server must not cost every reader the same wait.
    pub(super) async fn ranked_soon(
        &self,
        window: Window,
        now: DateTime<Utc>,
        (skip, count): (usize, usize),
    ) -> Option<Ranked> {
        if self.away().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let found = timeout(PATIENCE, self.ranked(window, now, skip, count)).await;
        let is_away = !matches!(found, Ok(Ok(_)));
        *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) =
            is_away.then(|| Instant::now() + AWAY);
        found.ok()?.ok().flatten()
    }

    fn away(&self) -> Option<Instant> {
        *self.away_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places `skip..skip + count` of the ranking; `None` when no generation of this shape is shown.
    ///
    /// # Errors
    /// [`HotError`] when Redis cannot be asked.
    pub async fn ranked(
        &self,
        window: Window,
        now: DateTime<Utc>,
        skip: usize,
        count: usize,
    ) -> Result<Option<Ranked>, HotError> {
        let script = Script::new(include_str!("lua/ranked.lua"));
        // Between pointer and script a rebuild may swap and drop: then once more.
        for _ in 0..2 {
            let Some(generation) = self.pointer().await? else { return Ok(None) };
            let prefix = prefix(generation);
            let mut call = script.key(format!("{prefix}checkpoint"));
            call.arg(&prefix)
                .arg(skip)
                .arg(skip + count - 1)
                .arg(now.timestamp_millis() - THREAD_MS)
                .arg(SHAPE);
            for bucket in window.buckets(now) {
                call.arg(match bucket {
                    Bucket::Hour(hour) => format!("h:{hour}"),
                    Bucket::Day(day) => format!("d:{day}"),
                });
            }
            let answer: Option<(Position, Vec<Row>)> =
                call.invoke_async(&mut self.connection.clone()).await?;
            if let Some((position, rows)) = answer {
                let rows = rows.into_iter().filter_map(|(id, score, n)| Some((id.parse().ok()?, score, n)));
                return Ok(Some((position, rows.collect())));
            }
        }
        Ok(None)
    }

    pub(super) async fn next_generation(&self) -> Result<i64, HotError> {
        Ok(redis::cmd("INCR").arg(COUNTER).query_async(&mut self.connection.clone()).await?)
    }

    /// Shows `next` when what is shown is still `present`.
    pub(super) async fn swap(&self, present: Option<i64>, next: i64) -> Result<bool, HotError> {
        let script = Script::new(include_str!("lua/swap.lua"));
        let present = present.map(|generation| generation.to_string()).unwrap_or_default();
        let mut connection = self.connection.clone();
        Ok(script.key(POINTER).arg(present).arg(next).invoke_async(&mut connection).await?)
    }

    /// Deletes every generation but one.
    pub(super) async fn drop_others(&self, keep: i64) -> Result<(), HotError> {
        let keep = prefix(keep);
        let mut keys = self.scan(ALL).await?;
        keys.retain(|key| !key.starts_with(&keep));
        self.unlink(&keys).await
    }

    /// Deletes one generation.
    pub(super) async fn drop_one(&self, generation: i64) -> Result<(), HotError> {
        let keys = self.keys(generation).await?;
        self.unlink(&keys).await
    }

    async fn unlink(&self, keys: &[String]) -> Result<(), HotError> {
        for keys in keys.chunks(1_000) {
            let mut command = redis::cmd("UNLINK");
            command.arg(keys);
            let _: i64 = command.query_async(&mut self.connection.clone()).await?;
        }
        Ok(())
    }

    /// Every key of a generation.
    pub(super) async fn keys(&self, generation: i64) -> Result<Vec<String>, HotError> {
        self.scan(&format!("{}*", prefix(generation))).await
    }

    async fn scan(&self, pattern: &str) -> Result<Vec<String>, HotError> {
        let (mut found, mut cursor) = (Vec::new(), 0_u64);
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
            let (next, keys): (u64, Vec<String>) = command.query_async(&mut self.connection.clone()).await?;
            found.extend(keys);
            if next == 0 {
                break;
            }
            cursor = next;
        }
        // A scan may name a key twice.
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    pub(super) async fn sorted_set(&self, key: &str) -> Result<Vec<(String, i64)>, HotError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(key).arg(0).arg(-1).arg("WITHSCORES");
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    pub(super) async fn set(&self, key: &str) -> Result<Vec<String>, HotError> {
        Ok(redis::cmd("SMEMBERS").arg(key).query_async(&mut self.connection.clone()).await?)
    }

    /// Takes the right to build; `None` when somebody has it.
    pub(super) async fn lease_build(&self) -> Result<Option<Lease>, HotError> {
        self.lease(BUILDER.to_owned()).await
    }

    /// Holds a generation still.
    pub(super) async fn pin(&self, generation: i64) -> Result<Option<Lease>, HotError> {
        self.lease(format!("{}pin", prefix(generation))).await
    }

    async fn lease(&self, key: String) -> Result<Option<Lease>, HotError> {
        let token = Uuid::new_v4().to_string();
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&token).arg("NX").arg("PX").arg(LEASE_MS);
        let taken: Option<String> = command.query_async(&mut self.connection.clone()).await?;
        Ok(taken.map(|_| Lease { redis: self.clone(), key, token }))
    }
}

/// Something only one may do at a time. Ends by itself when its holder is gone.
pub(super) struct Lease {
    redis: HotRedis,
    key: String,
    token: String,
}

impl Lease {
    /// Whether it is still ours, and from now on for the full time.
    pub async fn renew(&self) -> Result<bool, HotError> {
        self.set(LEASE_MS).await
    }

    pub async fn give_back(self) {
        // It ends by itself when Redis does not hear us.
        let _ = self.set(0).await;
    }

    async fn set(&self, ms: u64) -> Result<bool, HotError> {
        let script = Script::new(include_str!("lua/renew.lua"));
        let mut connection = self.redis.connection.clone();
        Ok(script.key(&self.key).arg(&self.token).arg(ms).invoke_async(&mut connection).await?)
    }
}
