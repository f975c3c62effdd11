use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use kernel::{Position, crash_point};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Append, Committed, Outcome, batch::Request, call, lanes};
use crate::{
    LogPool, StoreError,
    error::{failure_kind, is_transient},
};

/// Sizes of the appender.
#[derive(Debug, Clone, Copy)]
pub struct AppenderConfig {
    /// Requests that may wait; more are refused as overload. Too high: callers wait longer than
    /// their deadline; too low: bursts are refused that one batch could have carried.
    pub queue: usize,
    /// Requests in one call. Too high: the head stays locked long; too low: fewer share a flush.
    pub batch_requests: usize,
    pub batch_events: usize,
    /// Payload and metadata bytes in one call.
    pub batch_bytes: usize,
    /// Calls under way at once. One parses, checks and locks its streams while the other inserts
    /// and flushes under the head. More than two only make smaller batches.
    pub lanes: usize,
    /// How long a batch is sent again while the database is away, from its first failure.
    pub patience: Duration,
}

impl Default for AppenderConfig {
    fn default() -> Self {
        Self {
            queue: 8192,
            batch_requests: 512,
            batch_events: 4096,
            batch_bytes: 8 << 20,
            lanes: 2,
            patience: Duration::from_secs(10),
        }
    }
}

/// Counters for the metrics endpoint.
#[derive(Debug, Default)]
pub struct AppenderStats {
    pub batches: AtomicU64,
    pub requests: AtomicU64,
    pub events: AtomicU64,
    pub resent: AtomicU64,
    /// Requests that wait for their batch.
    pub waiting: AtomicUsize,
}

/// Handle to the one task of this process that writes the log. Cheap to clone.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Job>,
    head: watch::Receiver<Position>,
    stats: Arc<AppenderStats>,
}

struct Job {
    append: Append,
    reply: oneshot::Sender<Result<Outcome, StoreError>>,
    /// It was sent once and the answer was lost: it may be in the log already.
    unknown: bool,
}

impl Request for Job {
    fn append(&self) -> &Append {
        &self.append
    }
}

impl Appender {
    /// Starts the task. It ends when every handle is dropped or `stop` is cancelled and the queue
    /// is empty.
    #[must_use]
    pub fn start(log: LogPool, config: AppenderConfig, stop: CancellationToken) -> Self {
        let (queue, jobs) = mpsc::channel(config.queue);
        let (committed, head) = watch::channel(0);
        let stats = Arc::new(AppenderStats::default());
        let writer = Writer { log, config, committed, stats: Arc::clone(&stats) };
        tokio::spawn(async move {
            lanes::run(&config, &writer.stats, jobs, stop, |batch| writer.write(batch)).await
        });
        Self { queue, head, stats }
    }

    /// Appends one request.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`], [`StoreError::Fenced`], [`StoreError::Data`] and
    /// [`StoreError::Unavailable`]: nothing was written. [`StoreError::OutcomeUnknown`]: it may
    /// have been written; the same request again (same event ids, same key) settles it.
    pub async fn append(&self, mut append: Append) -> Result<Outcome, StoreError> {
        // A write already says which version it expects.
        let writes = &append.writes;
        append.asserts.retain(|assert| {
            writes.iter().all(|write| write.aggregate.aggregate_id != assert.aggregate.aggregate_id)
        });
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { append, reply, unknown: false }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Internal("the appender has stopped".into()),
        })?;
        answer.await.unwrap_or(Err(StoreError::OutcomeUnknown))
    }

    /// The last position this process has committed; wakes relay and projections in the same
    /// process without a round trip. Others poll.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    #[must_use]
    pub fn stats(&self) -> &AppenderStats {
        &self.stats
    }

    pub(crate) fn shared_stats(&self) -> Arc<AppenderStats> {
        Arc::clone(&self.stats)
    }

    /// Share of the queue in use, 0.0 to 1.0.
    #[must_use]
    pub fn pressure(&self) -> f64 {
        let most = self.queue.max_capacity();
        let waiting = most - self.queue.capacity() + self.stats.waiting.load(Ordering::Relaxed);
        (waiting as f64 / most as f64).min(1.0)
    }
}

struct Writer {
    log: LogPool,
    config: AppenderConfig,
    committed: watch::Sender<Position>,
    stats: Arc<AppenderStats>,
}

impl Writer {
    /// Writes one batch and answers everybody in it.
    async fn write(&self, mut batch: Vec<Job>) {
        let mut give_up: Option<Instant> = None;
        let mut pause = Duration::from_millis(2);
        loop {
            let requests: Vec<&Append> = batch.iter().map(|job| &job.append).collect();
            let error = match self.call(&requests).await {
                Ok(outcomes) => return self.answer(batch, outcomes).await,
                Err(error) => error,
            };
            match fate(&error) {
                Fate::Fenced => return refuse(batch, || StoreError::Fenced),
                Fate::Data(code) if batch.len() == 1 => {
                    return refuse(batch, || StoreError::Data { code: code.clone() });
                }
                // Somebody in here cannot be stored: halves, until the culprit is alone.
                Fate::Data(_) => {
                    let second = batch.split_off(batch.len() / 2);
                    Box::pin(self.write(batch)).await;
                    return Box::pin(self.write(second)).await;
                }
                Fate::Refused => {}
                Fate::Unknown => batch.iter_mut().for_each(|job| job.unknown = true),
            }
            self.stats.resent.fetch_add(1, Ordering::Relaxed);
            let now = Instant::now();
            if now > *give_up.get_or_insert(now + self.config.patience) {
                tracing::error!(error = %failure_kind(&error), requests = batch.len(), "append given up");
                let unknown = batch.iter().any(|job| job.unknown);
                return refuse(batch, || {
                    if unknown {
                        StoreError::OutcomeUnknown
                    } else {
                        StoreError::Unavailable(failure_kind(&error))
                    }
                });
            }
            tracing::warn!(error = %failure_kind(&error), requests = batch.len(), "append sent again");
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    async fn call(&self, requests: &[&Append]) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut connection = self.log.acquire().await?;
        crash_point!("append.before-call");
        let outcomes = call::append_batch(&mut connection, self.log.epoch(), requests).await?;
        crash_point!("append.after-commit");
        Ok(outcomes)
    }

    async fn answer(&self, batch: Vec<Job>, outcomes: Vec<Outcome>) {
        let mut last = 0;
        let mut events = 0;
        for outcome in &outcomes {
            if let Outcome::Committed(committed) = outcome {
                events += committed.last_position + 1 - committed.first_position;
                last = last.max(committed.last_position);
            }
        }
        if events > 0 {
            self.committed.send_if_modified(|head| {
                let forward = last > *head;
                *head = last.max(*head);
                forward
            });
        }
        self.stats.batches.fetch_add(1, Ordering::Relaxed);
        self.stats.requests.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.stats.events.fetch_add(events.unsigned_abs(), Ordering::Relaxed);
        for (job, outcome) in batch.into_iter().zip(outcomes) {
            let outcome = if job.unknown { self.settle(&job.append, outcome).await } else { Ok(outcome) };
            // The caller may have gone away; the append stands all the same.
            let _ = job.reply.send(outcome);
        }
    }

    /// After a lost answer the same append was sent again. If it now collides with itself, the
    /// event id at (aggregate, version) says so, and the first answer was a commit.
    async fn settle(&self, append: &Append, outcome: Outcome) -> Result<Outcome, StoreError> {
        // Whatever it is refused for now (a quota it has used up itself, an assert that has moved
        // on since), the event id says whether the first one was a commit.
        let collided = !matches!(outcome, Outcome::Committed(_));
        let first = append.writes.iter().find_map(|write| Some((write, write.events.first()?)));
        let (true, Some((write, event))) = (collided, first) else { return Ok(outcome) };
        let row = sqlx::query!(
            r#"select e.event_id, e.position
               from streams s
               cross join lateral (
                   select event_id, position from events
                   where aggregate_id = s.aggregate_id and version = $2
                     and position between s.first_position and s.last_position
               ) e
               where s.aggregate_id = $1"#,
            write.aggregate.aggregate_id,
            write.expected_version + 1,
        )
        .fetch_optional(&self.log.pool)
        .await
        .map_err(|_| StoreError::OutcomeUnknown)?;
        Ok(match row {
            Some(row) if row.event_id == event.event_id => {
                let events = append.writes.iter().map(|write| write.events.len() as i64).sum::<i64>();
                Outcome::Committed(Committed {
                    epoch: self.log.epoch(),
                    first_position: row.position,
                    last_position: row.position + events - 1,
                })
            }
            _ => outcome,
        })
    }
}

fn refuse(batch: Vec<Job>, error: impl Fn() -> StoreError) {
    for job in batch {
        // The caller may have gone away.
        let _ = job.reply.send(Err(error()));
    }
}

/// What a failed call means for its batch.
enum Fate {
    /// Surely rolled back: send it again.
    Refused,
    /// The connection broke around the commit: send the same again, and look whose it is.
    Unknown,
    /// A value that PostgreSQL cannot store.
    Data(String),
    Fenced,
}

fn fate(error: &sqlx::Error) -> Fate {
    match error {
        sqlx::Error::Database(db) => match db.code().as_deref() {
            Some("WG002") => Fate::Fenced,
            Some("WG001") => Fate::Refused,
            // Another process got in between the look and the insert.
            Some("23505") if matches!(db.constraint(), Some("command_receipts_pkey" | "streams_pkey")) => {
                Fate::Refused
            }
            // The server reports its own end (57P01..03) possibly after the commit record.
            Some(code) if code.starts_with("57P") || code.starts_with("08") => Fate::Unknown,
            Some(code) if is_transient(code) => Fate::Refused,
            Some(code) => Fate::Data(code.to_owned()),
            None => Fate::Unknown,
        },
        sqlx::Error::PoolTimedOut => Fate::Refused,
        sqlx::Error::Configuration(source) if source.is::<crate::pool::NotOurServer>() => Fate::Fenced,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => {
            Fate::Data("encoding".to_owned())
        }
        _ => Fate::Unknown,
    }
}
