use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use kernel::Position;
use sqlx::PgPool;
use tokio::{
    sync::{Mutex, Semaphore, watch},
    time::{Instant, sleep, timeout_at},
};

use crate::StoreError;

/// Waiters beyond this are refused: each holds a request and its memory.
const MAX_WAITERS: usize = 1024;
/// How often all waiters together ask the database. With a runner in this process its commits
/// wake them and asking is the fallback.
const ASK_ALONE: Duration = Duration::from_millis(20);
const ASK_BESIDE_RUNNER: Duration = Duration::from_millis(100);

/// How a wait for a position ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The read model's checkpoint, and with it every answer, is at this position or later.
    Reached(Position),
    TimedOut,
    /// The log does not reach so far and has been through a failover, which took it back. In a
    /// log's first epoch a position beyond the head is merely one that is not there yet.
    Lost,
    TooManyWaiters,
}

#[derive(Clone, Copy)]
struct KnownHead {
    epoch: i32,
    position: Position,
}

/// Where one read model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectionLag {
    pub generation: i32,
    pub position: Position,
    /// Head minus position.
    pub lag: i64,
}

/// The query side's view of how far the read models are; works in any process. Cheap to clone.
#[derive(Clone)]
pub struct Positions(Arc<Shared>);

struct Shared {
    pool: PgPool,
    known: watch::Sender<Arc<HashMap<String, Position>>>,
    waiters: Semaphore,
    /// Who holds it asks the database for everybody.
    asking: Mutex<Option<(Instant, KnownHead)>>,
    waiting: AtomicUsize,
    demand: watch::Sender<()>,
    runner_here: AtomicBool,
}

impl Positions {
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(Arc::new(Shared {
            pool,
            known: watch::Sender::default(),
            waiters: Semaphore::new(MAX_WAITERS),
            asking: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            demand: watch::Sender::default(),
            runner_here: AtomicBool::new(false),
        }))
    }

    /// Waits until the live generation of `projection` is durably at `min_position`.
    pub async fn wait_for(&self, projection: &str, min_position: Position, patience: Duration) -> Waited {
        if let Some(position) = self.known(projection).filter(|known| *known >= min_position) {
            return Waited::Reached(position);
        }
        let Ok(_permit) = self.0.waiters.try_acquire() else { return Waited::TooManyWaiters };
        let _waiting = Waiting::begin(&self.0);
        let began = Instant::now();
        let deadline = began + patience;
        let mut changes = self.0.known.subscribe();
        loop {
            // An error is like no news: the deadline decides.
            if let Ok(head) = self.ask(min_position, began).await
                && head.position < min_position
                && head.epoch > 1
            {
                return Waited::Lost;
            }
            if let Some(position) = self.known(projection).filter(|known| *known >= min_position) {
                return Waited::Reached(position);
            }
            if Instant::now() >= deadline {
                return Waited::TimedOut;
            }
            let pause = self.interval();
            let news = async {
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { sleep(pause).await },
                    () = sleep(pause) => {}
                }
            };
            // Either way the top of the loop looks again.
            let _ = timeout_at(deadline, news).await;
        }
    }

    /// How far each live generation is behind the log's head.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub async fn lag(&self) -> Result<HashMap<String, ProjectionLag>, StoreError> {
        let rows = sqlx::query!(
            "select c.projection, c.generation, c.position, h.position as head
             from projection_checkpoints c, log_head h where c.state = 'live'"
        )
        .fetch_all(&self.0.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let lag = ProjectionLag {
                    generation: row.generation,
                    position: row.position,
                    lag: row.head - row.position,
                };
                (row.projection, lag)
            })
            .collect())
    }

    fn known(&self, projection: &str) -> Option<Position> {
        self.0.known.borrow().get(projection).copied()
    }

    fn interval(&self) -> Duration {
        if self.0.runner_here.load(Ordering::Relaxed) { ASK_BESIDE_RUNNER } else { ASK_ALONE }
    }

    /// Reads all live checkpoints unless somebody did so a moment ago; returns the log's head. A
    /// head below `min_position` must have been read after the wait `began`; from then on waiters
    /// for a position that does not come share one question per interval like all others.
    async fn ask(&self, min_position: Position, began: Instant) -> Result<KnownHead, StoreError> {
        let mut asking = self.0.asking.lock().await;
        if let Some((at, head)) = *asking
            && at.elapsed() < self.interval()
            && (head.position >= min_position || at >= began)
        {
            return Ok(head);
        }
        let at = Instant::now();
        let rows = sqlx::query!(
            r#"select c.projection as "projection?", c.position as "position?", h.position as head,
                      h.epoch as "epoch!"
               from log_head h left join projection_checkpoints c on c.state = 'live'"#
        )
        .fetch_all(&self.0.pool)
        .await?;
        let head = rows.first().map_or(KnownHead { epoch: 1, position: 0 }, |row| KnownHead {
            epoch: row.epoch,
            position: row.head,
        });
        *asking = Some((at, head));
        self.publish(rows.into_iter().filter_map(|row| Some((row.projection?, row.position?))));
        Ok(head)
    }

    /// Tells the waiters of this process what is durable now.
    pub(super) fn publish(&self, positions: impl Iterator<Item = (String, Position)>) {
        self.0.known.send_if_modified(|known| {
            let mut next: Option<HashMap<String, Position>> = None;
            for (name, position) in positions {
                let map = next.as_ref().unwrap_or(known);
                if map.get(&name).is_none_or(|old| *old < position) {
                    next.get_or_insert_with(|| (**known).clone()).insert(name, position);
                }
            }
            let changed = next.is_some();
            if let Some(next) = next {
                *known = Arc::new(next);
            }
            changed
        });
    }

    pub(super) fn runner_is_here(&self) {
        self.0.runner_here.store(true, Ordering::Relaxed);
    }

    /// Somebody waits: checkpoints of idle projections are written at once.
    pub(super) fn anybody_waits(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    /// Changes when somebody begins to wait.
    pub(super) fn demand(&self) -> watch::Receiver<()> {
        self.0.demand.subscribe()
    }
}

struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        shared.demand.send_replace(());
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
