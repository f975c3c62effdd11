use std::{sync::Arc, time::Duration};

use eventstore::{
    append::{Append, Outcome, ReactorPoint, ReactorStep},
    reactor::{Next, next_event, point_of, register},
};
use kernel::{Position, RecordedEvent, crash_point};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Reactor, ReactorError, ReactorStats, Work};
use crate::Executor;

/// What others append is found by asking.
const POLL: Duration = Duration::from_secs(1);
/// While another process is at it, or something is away.
const PAUSE: Duration = Duration::from_millis(250);
/// So many positions without anything to do are worth writing down …
const WORTH_A_STEP: i64 = 10_000;
/// … and any number after so long, so that an operator sees no lag where there is none.
const WORTH_A_STEP_AFTER: Duration = Duration::from_secs(5);

/// Runs one reactor. Any number of processes may; what they do is done once.
pub struct ReactorRunner<R> {
    reactor: R,
    executor: Executor,
    committed: watch::Receiver<Position>,
    stats: Arc<ReactorStats>,
}

/// Where the reactor is, as far as this process knows.
struct Place {
    stored: ReactorPoint,
    /// Looked through up to here; ahead of the stored point where there was nothing to do.
    scanned: Position,
    since: Instant,
}

/// What one turn did.
enum Turn {
    Moved,
    Idle,
}

impl<R: Reactor> ReactorRunner<R> {
    /// `committed` is the appender's, of this process; it wakes the reactor.
    #[must_use]
    pub fn new(reactor: R, executor: Executor, committed: watch::Receiver<Position>) -> Self {
        Self { reactor, executor, committed, stats: Arc::default() }
    }

    #[must_use]
    pub fn stats(&self) -> Arc<ReactorStats> {
        Arc::clone(&self.stats)
    }

    /// Until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut place: Option<Place> = None;
        let mut said = false;
        while !stop.is_cancelled() {
            let pause = match self.turn(&mut place).await {
                Ok(Turn::Moved) => {
                    said = false;
                    continue;
                }
                Ok(Turn::Idle) => POLL,
                Err(error) => {
                    // Whatever went wrong, somebody else may have moved the point.
                    place = None;
                    self.stats.troubled();
                    if !said && !matches!(error, ReactorError::NotYet) {
                        tracing::warn!(reactor = R::NAME, %error, "a reactor waits");
                        said = true;
                    }
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                changed = self.committed.changed() => if changed.is_err() {
                    tokio::time::sleep(PAUSE).await;
                },
            }
        }
    }

    async fn turn(&self, place: &mut Option<Place>) -> Result<Turn, ReactorError> {
        let pool = self.executor.inner.deps.log.pg();
        let Place { stored, scanned, since } = match place.take() {
            Some(place) => place,
            None => {
                register(pool, R::NAME).await?;
                let stored = point_of(pool, R::NAME).await?;
                Place { scanned: stored.position, stored, since: Instant::now() }
            }
        };
        let (turn, next) = match next_event(pool, scanned, R::EVENT_TYPES).await? {
            Next::Event(event) => {
                let stored = self.follow(&event, stored).await?;
                self.stats.at(stored.position, event.position);
                (Turn::Moved, Place { scanned: stored.position, stored, since: Instant::now() })
            }
            Next::Nothing { up_to, head } => {
                self.stats.at(up_to, head);
                let mut next = Place { scanned: up_to, stored, since };
                let behind = up_to - next.stored.position;
                if behind >= WORTH_A_STEP || (behind > 0 && since.elapsed() >= WORTH_A_STEP_AFTER) {
                    let to = ReactorPoint { position: up_to, cursor: String::new() };
                    self.take(Work::default(), next.stored.clone(), to.clone()).await?;
                    next = Place { stored: to, since: Instant::now(), ..next };
                }
                (if up_to < head { Turn::Moved } else { Turn::Idle }, next)
            }
        };
        *place = Some(next);
        Ok(turn)
    }

    /// One step of an event's work; gives the new point.
    async fn follow(&self, event: &RecordedEvent, from: ReactorPoint) -> Result<ReactorPoint, ReactorError> {
        // A cursor belongs to the event right behind its position.
        let cursor = if from.position == event.position - 1 { from.cursor.as_str() } else { "" };
        let work = self.reactor.step(&self.executor, event, cursor).await?;
        let to = match &work.cursor {
            Some(cursor) => ReactorPoint { position: event.position - 1, cursor: cursor.clone() },
            None => ReactorPoint { position: event.position, cursor: String::new() },
        };
        self.take(work, from, to.clone()).await?;
        Ok(to)
    }

    async fn take(&self, work: Work, from: ReactorPoint, to: ReactorPoint) -> Result<(), ReactorError> {
        let touched: Vec<_> = work.writes.iter().map(|write| write.aggregate.aggregate_id).collect();
        let step = ReactorStep { reactor: R::NAME, from, to };
        let append = Append { writes: work.writes, reactor: Some(step), ..Append::default() };
        crash_point!("reactor.before-append");
        let outcome = self.executor.inner.deps.appender.append(append).await.map_err(ReactorError::from)?;
        crash_point!("reactor.after-append");
        for id in touched {
            self.executor.inner.cache.drop(id);
        }
        match outcome {
            Outcome::Committed(_) => {
                self.stats.stepped();
                Ok(())
            }
            // Another process was faster: there, or on one of the aggregates. Decided again.
            Outcome::StaleReactor | Outcome::Conflict { .. } => Err(ReactorError::NotYet),
            refused => Err(ReactorError::Other(format!("a step was refused: {refused:?}"))),
        }
    }
}
