use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use super::{KekRing, KeyError, MAX_LEASE, cache::KeyCache, loader::ROUND_TRIP};

/// How often the key store is asked for the number of the last erasure. Longer: a forgotten person
/// stays readable here for longer when the message on NATS got lost; shorter: questions.
const EVERY: Duration = Duration::from_secs(2);
/// Keys are only read while the last answer to that question is no older than this share of the
/// lease, so that a process whose row looks dead holds nothing alive.
const FRESH: u32 = 6;

/// Called with each person whose keys were erased, and with `None` when all may have been.
pub type ErasureListener = Box<dyn Fn(Option<Uuid>) + Send + Sync>;

/// This process among those that hold keys in memory.
pub(super) struct Reader {
    id: Uuid,
    pool: PgPool,
    lease: Duration,
    known: AtomicI64,
    asked: Mutex<Instant>,
    listeners: Mutex<Vec<ErasureListener>>,
    /// One question at a time: an older answer must not come after a newer one.
    turn: tokio::sync::Mutex<()>,
    pub wake: Notify,
}

impl Reader {
    /// Before the first key is read: whoever erases waits for all who are registered.
    pub async fn register(pool: PgPool, lease: Duration) -> Result<Self, KeyError> {
        let id = Uuid::now_v7();
        let asked = Instant::now();
        let lease = lease.min(MAX_LEASE);
        let known = sqlx::query_scalar!(
            "insert into keys.readers (id, acknowledged, lease_ms)
             select $1, c.generation, $2 from keys.control c returning acknowledged",
            id,
            i32::try_from(lease.as_millis()).unwrap_or(60_000).max(1)
        )
        .fetch_one(&pool);
        let known = timeout(ROUND_TRIP, known).await.map_err(|_| KeyError::Timeout)??;
        Ok(Self {
            id,
            pool,
            lease,
            known: AtomicI64::new(known),
            asked: Mutex::new(asked),
            listeners: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            wake: Notify::new(),
        })
    }

    pub fn listen(&self, listener: ErasureListener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    pub fn tell(&self, subject: Option<Uuid>) {
        for listener in self.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            listener(subject);
        }
    }

    pub const fn pause(&self) -> Duration {
        let quarter = Duration::from_nanos(self.lease.as_nanos() as u64 / 4);
        if quarter.as_nanos() < EVERY.as_nanos() { quarter } else { EVERY }
    }

    /// Before keys are read.
    pub async fn freshen(&self, cache: &KeyCache, kek: &KekRing) -> Result<(), KeyError> {
        if self.is_fresh() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        // Somebody asked while this one waited for its turn.
        if self.is_fresh() { Ok(()) } else { self.ask_in_turn(cache, kek).await }
    }

    fn is_fresh(&self) -> bool {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.elapsed() < self.lease / FRESH
    }

    /// Asks, forgets what was erased since, and says so.
    pub async fn ask(&self, cache: &KeyCache, kek: &KekRing) -> Result<(), KeyError> {
        let _turn = self.turn.lock().await;
        self.ask_in_turn(cache, kek).await
    }

    async fn ask_in_turn(&self, cache: &KeyCache, kek: &KekRing) -> Result<(), KeyError> {
        let asked = Instant::now();
        let known = self.known.load(Ordering::SeqCst);
        let answer = sqlx::query!(
            r#"select c.generation, c.kek_id,
                      (select array_agg(distinct s.subject) from keys.subject_classes s
                       where s.generation > $1 and s.generation <= c.generation) as subjects
               from keys.control c"#,
            known
        )
        .fetch_one(&self.pool);
        let answer = timeout(ROUND_TRIP, answer).await.map_err(|_| KeyError::Timeout)??;
        if let Some(id) = &answer.kek_id {
            kek.select(id)?;
        }
        if answer.generation < known {
            // Another key store than before, an older one brought back: nothing here is certain.
            cache.invalidate(None);
            self.tell(None);
        }
        for subject in answer.subjects.unwrap_or_default() {
            cache.invalidate(Some(subject));
            self.tell(Some(subject));
        }
        let said = sqlx::query!(
            "insert into keys.readers as r (id, acknowledged, lease_ms) values ($1, $2, $3)
             on conflict (id) do update
             set acknowledged = excluded.acknowledged, seen_at = clock_timestamp()",
            self.id,
            answer.generation,
            i32::try_from(self.lease.as_millis()).unwrap_or(60_000).max(1)
        )
        .execute(&self.pool);
        timeout(ROUND_TRIP, said).await.map_err(|_| KeyError::Timeout)??;
        self.known.store(answer.generation, Ordering::SeqCst);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        Ok(())
    }

    /// Nobody has to wait for this process any more.
    pub async fn leave(&self) -> Result<(), KeyError> {
        let gone = sqlx::query!("delete from keys.readers where id = $1", self.id).execute(&self.pool);
        timeout(ROUND_TRIP, gone).await.map_err(|_| KeyError::Timeout)??;
        Ok(())
    }
}

/// Processes that may hold a key of this person in memory: registered, not yet past the erasure,
/// and heard of within the time a key can live in them. Long dead ones are removed.
pub(super) async fn holders(pool: &PgPool, subject: Uuid) -> Result<u64, KeyError> {
    let count = sqlx::query_file_scalar!("src/keys/sql/holders.sql", subject).fetch_one(pool);
    let count = timeout(ROUND_TRIP, count).await.map_err(|_| KeyError::Timeout)??;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Ends with the last handle of the store.
pub(super) async fn follow(reader: std::sync::Weak<Reader>, loader: std::sync::Weak<super::loader::Loader>) {
    loop {
        let Some(pause) = reader.upgrade().map(|reader| reader.pause()) else { return };
        {
            let Some(reader) = reader.upgrade() else { return };
            // Woken or not, it is asked.
            let _ = timeout(pause, reader.wake.notified()).await;
        }
        let (Some(reader), Some(loader)) = (reader.upgrade(), loader.upgrade()) else { return };
        if let Err(error) = reader.ask(&loader.cache, &loader.kek).await {
            tracing::warn!(%error, "the key store cannot be asked for erasures");
        }
    }
}

/// Shared by the store and its task.
pub(super) type SharedReader = Arc<Reader>;
