use std::time::Duration;

use eventstore::{
    log::{self, Head, PageLimit, read_page},
    precedence::Pausing,
};
use kernel::Position;
use sqlx::PgPool;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Applied, Checkpoint, HotCondition, HotError, HotRedis, HotStats, NAME, Page, build, redis_store::SHAPE,
};

/// How often an idle feeder looks for events of other processes. Too low: two questions each
/// time for nothing; too high: the views are behind by as much.
const LOOK: Duration = Duration::from_millis(200);
/// Between two pages while events keep coming, unless a full one is there. Too low: four round trips
/// for every few events; too high: the views are behind by as much.
const GATHER: Duration = Duration::from_millis(50);
/// After a failure.
const AGAIN: Duration = Duration::from_millis(500);

/// Feeds the generation that is shown from the log. Any number of them may run: what one has
/// applied the others find applied.
pub struct Feeder {
    redis: HotRedis,
    log: PgPool,
    /// Wakes it at once for this process's own events.
    committed: Option<watch::Receiver<Position>>,
    stats: HotStats,
    /// Where we left Redis. Elsewhere it has to show that it speaks of this log.
    known: Option<Checkpoint>,
    pausing: Pausing,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// There may be more at once.
    Moved,
    /// There will be more in a moment.
    Following,
    Idle,
}

impl Feeder {
    #[must_use]
    pub fn new(redis: HotRedis, log: PgPool, committed: Option<watch::Receiver<Position>>) -> Self {
        Self { redis, log, committed, stats: HotStats::default(), known: None, pausing: Pausing::default() }
    }

    /// Commands of this process go first when the machine is full.
    #[must_use]
    pub fn giving_way(mut self, pausing: Pausing) -> Self {
        self.pausing = pausing;
        self
    }

    #[must_use]
    pub fn stats(&self) -> HotStats {
        self.stats.clone()
    }

    /// Until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.step(&stop).await {
                Ok(Step::Moved) => tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.pausing.pause() => {}
                },
                Ok(Step::Following) => {
                    self.pausing.caught_up();
                    let later = async {
                        sleep(GATHER).await;
                        self.pausing.pause().await;
                    };
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = later => {}
                    }
                }
                Ok(Step::Idle) => {
                    self.pausing.caught_up();
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = news(&mut self.committed) => {}
                        () = sleep(LOOK) => {}
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = sleep(AGAIN) => {}
                    }
                }
            }
        }
    }

    fn failed(&mut self, error: &HotError) {
        // Whatever is there afterwards has to show again what it is.
        self.known = None;
        let waiting = matches!(error, HotError::Busy);
        let sentence = error.to_string();
        self.stats.update(|stats| {
            stats.condition = if waiting { HotCondition::Building } else { HotCondition::Away };
            if stats.problem.as_ref() != Some(&sentence) && !waiting {
                tracing::warn!(view = NAME, %error, "the hot views do not move");
            }
            stats.problem = Some(sentence);
        });
    }

    /// Applies one page, or finds that there is none.
    async fn step(&mut self, stop: &CancellationToken) -> Result<Step, HotError> {
        // In this order: the other way round, what another feeder applies in between would pass for
        // more than the log has, and everything would be built anew.
        let found = self.redis.live().await?;
        let head = log::head(&self.log).await?;
        if head.position == 0 {
            // Nothing to hold, so nothing to build.
            return Ok(Step::Idle);
        }
        if found.as_ref().is_some_and(|at| at.epoch > head.epoch || at.shape > SHAPE) {
            return Err(HotError::Ahead);
        }
        let at = match found {
            Some(at) if self.speaks_of_this_log(&at, head).await? => at,
            found => {
                self.rebuild(found.as_ref(), stop).await?;
                return Ok(Step::Moved);
            }
        };
        self.stats.update(|stats| {
            *stats = super::HotSnapshot {
                condition: HotCondition::Following,
                generation: at.generation,
                position: at.position,
                lag: head.position - at.position,
                builds: stats.builds,
                problem: None,
            };
        });
        let lag = head.position - at.position;
        self.known = Some(at.clone());
        if lag == 0 {
            return Ok(Step::Idle);
        }
        let events = read_page(&self.log, at.position, PageLimit::TAIL).await?;
        let Some(page) = Page::fold(at.position, &events) else { return Ok(Step::Idle) };
        match self.redis.apply(at.generation, head.epoch, &page).await? {
            Applied::Moved => {
                let known = Checkpoint { position: page.to, event: page.last_event, epoch: head.epoch, ..at };
                self.known = Some(known);
                let full = events.len() as i64 >= PageLimit::TAIL.events;
                Ok(if full { Step::Moved } else { Step::Following })
            }
            // Somebody else was faster, or emptied it: the next look tells.
            Applied::Elsewhere(_) => Ok(Step::Moved),
            Applied::Pinned => Ok(Step::Idle),
        }
    }

    /// Whether what stands at the checkpoint is what our log has there: not so after a failover
    /// that lost a tail, a restored backup, or in a Redis that served another log.
    async fn speaks_of_this_log(&self, at: &Checkpoint, head: Head) -> Result<bool, HotError> {
        if self.known.as_ref() == Some(at) {
            return Ok(true);
        }
        if at.shape != SHAPE || at.position > head.position {
            return Ok(false);
        }
        if at.position == 0 {
            return Ok(true);
        }
        let event = read_page(&self.log, at.position - 1, PageLimit { events: 1, bytes: 1 }).await?;
        Ok(event.first().is_some_and(|event| event.event_id == at.event))
    }

    async fn rebuild(
        &mut self,
        found: Option<&Checkpoint>,
        stop: &CancellationToken,
    ) -> Result<(), HotError> {
        self.known = None;
        self.stats.update(|stats| stats.condition = HotCondition::Building);
        let built = build(&self.redis, &self.log, &|_, _| {}, stop).await?;
        tracing::info!(
            view = NAME,
            was_there = found.is_some(),
            generation = built.generation,
            position = built.position,
            "Redis held no hot views of this log: built anew"
        );
        self.stats.update(|stats| stats.builds += 1);
        Ok(())
    }
}

async fn news(committed: &mut Option<watch::Receiver<Position>>) {
    if let Some(committed) = committed
        && committed.changed().await.is_ok()
    {
        return;
    }
    // Nobody in this process appends, or no longer.
    std::future::pending().await
}
