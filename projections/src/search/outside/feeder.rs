use std::{sync::Arc, time::Duration};

use eventstore::log::{self, Head};
use kernel::Position;
use sqlx::PgPool;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    FeederCondition, FeederStats, Mark, Outside, OutsideError, lines::bring, of, rebuild, source,
    store::Store,
};
use crate::search::Breaker;

/// How often an idle feeder looks for events of other processes.
const LOOK: Duration = Duration::from_millis(200);
/// After a failure, and while another process feeds.
const AGAIN: Duration = Duration::from_millis(500);
/// Positions of one step. More: a longer time until the mark moves; fewer: more bulks for the same
/// log, which Meilisearch takes half a second each for.
pub(super) const STEP: i64 = 5_000;

/// Feeds the generation of one engine that answers. Any number of them may run; one works.
pub struct Feeder {
    engine: Arc<dyn Outside>,
    log: PgPool,
    store: Store,
    /// Wakes it at once for this process's own events.
    committed: Option<watch::Receiver<Position>>,
    stats: FeederStats,
    breaker: Option<Arc<Breaker>>,
    /// The mark we wrote last. Any other has to show that it speaks of this log.
    known: Option<Mark>,
}

enum Step {
    /// There may be more at once.
    Moved,
    Idle,
    StandBy,
}

impl Feeder {
    #[must_use]
    pub fn new(engine: Arc<dyn Outside>, log: PgPool, committed: Option<watch::Receiver<Position>>) -> Self {
        let store = Store::new(log.clone(), &*engine);
        Self { engine, log, store, committed, stats: FeederStats::default(), breaker: None, known: None }
    }

    /// What this process asks the engine through: it stays closed to an engine that is full.
    #[must_use]
    pub fn with_breaker(mut self, breaker: Arc<Breaker>) -> Self {
        self.breaker = Some(breaker);
        self
    }

    #[must_use]
    pub fn stats(&self) -> FeederStats {
        self.stats.clone()
    }

    /// Until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.step(&stop).await {
                Ok(Step::Moved) => continue,
                Ok(Step::Idle) => LOOK,
                Ok(Step::StandBy) => {
                    self.stats.update(|stats| stats.condition = FeederCondition::StandBy);
                    AGAIN
                }
                Err(error) => {
                    self.failed(&error).await;
                    AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = news(&mut self.committed), if pause == LOOK => {}
                () = sleep(pause) => {}
            }
        }
        // So that the next one need not wait; if this fails, it waits.
        let _ = self.store.let_go().await;
    }

    async fn failed(&mut self, error: &OutsideError) {
        self.known = None;
        if let (Some(breaker), OutsideError::Engine(_, error)) = (&self.breaker, error)
            && error.is_capacity()
        {
            breaker.failed(error);
        }
        let sentence = error.to_string();
        let mut new = false;
        self.stats.update(|stats| {
            stats.condition = FeederCondition::Away;
            new = stats.problem.as_ref() != Some(&sentence);
            stats.problem = Some(sentence.clone());
        });
        if new {
            tracing::warn!(engine = self.engine.name(), %error, "the search engine is not fed");
            // A courtesy to operators; the log line says the same.
            let _ = self.store.note_problem(Some(&sentence)).await;
        }
    }

    async fn step(&mut self, stop: &CancellationToken) -> Result<Step, OutsideError> {
        let head = log::head(&self.log).await?;
        if head.position == 0 {
            return Ok(Step::Idle);
        }
        if !self.store.hold().await? {
            // Somebody else has it, or waits for ours.
            self.store.let_go().await?;
            self.known = None;
            return Ok(Step::StandBy);
        }
        let mark = self.mark().await?;
        // Who had the lease before us may have come further than the head we saw.
        let head = if mark.is_some_and(|mark| (mark.epoch, mark.position) > (head.epoch, head.position)) {
            log::head(&self.log).await?
        } else {
            head
        };
        if mark.is_some_and(|mark| mark.epoch > head.epoch) {
            return Err(OutsideError::Ahead);
        }
        let Some(mark) = self.usable(mark, head).await? else {
            self.build(stop).await?;
            return Ok(Step::Moved);
        };
        if self.known.is_none() {
            // Whoever should have dropped it was killed.
            rebuild::drop_leaving(&*self.engine, &self.store).await?;
        }
        let lag = head.position - mark.position;
        self.stats.update(|stats| {
            stats.condition = FeederCondition::Following;
            stats.generation = mark.generation;
            stats.position = mark.position;
            stats.lag = lag;
        });
        if lag == 0 {
            self.well().await;
            return Ok(Step::Idle);
        }
        let since = Instant::now();
        let (mark, documents) = self.apply(mark, head).await?;
        self.known = Some(mark);
        self.well().await;
        self.stats.update(|stats| {
            stats.position = mark.position;
            stats.lag = head.position - mark.position;
            stats.documents += documents as u64;
            stats.spent += since.elapsed();
        });
        Ok(Step::Moved)
    }

    async fn well(&mut self) {
        let mut was_ill = false;
        self.stats.update(|stats| was_ill = stats.problem.take().is_some());
        if was_ill {
            let _ = self.store.note_problem(None).await;
        }
    }

    /// Where the engine says that it is. Asked of the engine only when we do not know: nobody
    /// else writes while we hold the lease, but it may have been restored or emptied.
    async fn mark(&self) -> Result<Option<Mark>, OutsideError> {
        self.engine.live().await.map_err(of(&*self.engine))
    }

    /// The mark, when what stands there is what our log has there; otherwise everything has to be
    /// built anew. Our own rows follow what the engine shows.
    async fn usable(&self, mark: Option<Mark>, head: Head) -> Result<Option<Mark>, OutsideError> {
        let Some(mark) = mark else { return Ok(None) };
        if self.known == Some(mark) {
            return Ok(Some(mark));
        }
        if mark.position > head.position
            || source::event_at(&self.log, mark.position).await? != Some(mark.event)
        {
            return Ok(None);
        }
        match self.store.live().await? {
            Some(live) if live.number == mark.generation => {
                if live.position != mark.position {
                    // Killed between the two, or the engine lost its newest writes: it counts.
                    self.store.advance(live.number, live.position, mark.position, mark.epoch).await?;
                }
                Ok(Some(mark))
            }
            Some(_) | None => {
                let retained = self.store.retained().await?;
                let building = self.store.building(mark.generation).await?;
                if building || retained.is_some_and(|retained| retained.number == mark.generation) {
                    // Killed after the engine had shown it.
                    self.store.shown(mark.generation).await?;
                    Ok(Some(mark))
                } else {
                    // Of another database's feeder, whose namespace is ours.
                    Ok(None)
                }
            }
        }
    }

    async fn apply(&self, mark: Mark, head: Head) -> Result<(Mark, usize), OutsideError> {
        apply(&*self.engine, (&self.log, &self.store), mark, head).await
    }

    async fn build(&mut self, stop: &CancellationToken) -> Result<(), OutsideError> {
        self.known = None;
        self.stats.update(|stats| stats.condition = FeederCondition::Building);
        let tell = |_: Position, _: Position| {};
        let built = rebuild::build(&*self.engine, (&self.log, &self.store), &tell, stop).await?;
        tracing::info!(
            engine = self.engine.name(),
            generation = built.generation,
            position = built.position,
            documents = built.documents,
            "the search engine held nothing of this log: built anew"
        );
        self.stats.update(|stats| {
            stats.builds += 1;
            stats.documents += built.documents as u64;
            stats.spent += built.took;
        });
        Ok(())
    }
}

/// One step of a generation towards the head.
pub(super) async fn apply(
    engine: &dyn Outside,
    (log, store): (&PgPool, &Store),
    mark: Mark,
    head: Head,
) -> Result<(Mark, usize), OutsideError> {
    let to = head.position.min(mark.position + STEP);
    let ids = source::touched(log, mark.position, to).await?;
    let event = source::event_at(log, to).await?.ok_or(OutsideError::Moved)?;
    let next = Mark { generation: mark.generation, position: to, epoch: head.epoch, event };
    let documents = bring(engine, (log, store), mark.generation, ids.clone(), Some(next)).await?;
    if !store.advance(mark.generation, mark.position, to, head.epoch).await? {
        // Somebody took the lease over while we wrote. What we have written may be older than what
        // they wrote: whoever reads the nodes now and writes them is right again.
        bring(engine, (log, store), mark.generation, ids, None).await?;
        return Err(OutsideError::Moved);
    }
    Ok((next, documents))
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
