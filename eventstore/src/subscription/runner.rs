use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use kernel::{Position, RecordedEvent};
use sqlx::PgPool;
use tokio::{
    sync::{oneshot, watch},
    task::{Id, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    Condition, GenerationState, Positions, ProjectionStats, Registry, Stats, adopt, advance_group,
    batch::Target,
    catch_up, checkpoints,
    feed::Feed,
    groups::{Plan, plan},
    member::{Member, Status},
    tail::OpenTail,
};
use crate::{LogPool, StoreError, log::PageLimit, precedence::Pausing};

/// How often the runner asks whether generations came, went, or were pinned.
const REFRESH: Duration = Duration::from_millis(500);
const COUNT_PARKED: Duration = Duration::from_secs(2);
/// How long an idle runner waits before it asks for the head.
const POLL: Duration = Duration::from_millis(200);
/// Catch-ups at once, beside the group. Too high: they take the database from the group.
const APART: usize = 2;
/// The group's batches begin at least this far apart while events keep coming: a batch costs a few
/// dozen round trips however small it is. The first one after a rest begins at once.
const GATHER: Duration = Duration::from_millis(20);
/// Connections for reading ahead, for looking at checkpoints and for catch-ups.
const OWN: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where a runner's events come from besides Postgres. Both are optional and only make it faster.
#[derive(Clone, Default)]
pub struct RunnerOptions {
    /// The stream.
    pub tail: Option<OpenTail>,
    /// [`crate::append::Appender::committed`] when the appender is in this process.
    pub committed: Option<watch::Receiver<Position>>,
    /// Another runner's, where several of a process feed different read models: the query side has
    /// one view of all of them.
    pub positions: Option<Positions>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The group went on to this position.
    Applied(Position),
    /// Nothing new.
    Idle,
}

type GenerationKey = (&'static str, i32);

/// Feeds the live and retained generations of some projections: one scan, one transaction per
/// batch, a savepoint for each projection. Several runners on the same database do no harm.
pub struct Runner {
    /// Its own: connections belong to the runtime they were opened on.
    log: LogPool,
    /// One connection, the group's: the statements of all read models are prepared and planned on
    /// it once, and not on every connection of a pool.
    writer: PgPool,
    registry: Registry,
    feed: Feed,
    positions: Positions,
    demand: watch::Receiver<()>,
    stats: Stats,
    members: Vec<Member>,
    /// Members that catch up on their own reader; they come back with the task's result.
    away: JoinSet<Vec<Member>>,
    /// Who they are, as the metrics saw them last.
    away_rows: HashMap<Id, Vec<ProjectionStats>>,
    /// Live generations that this program cannot feed.
    foreign: Vec<ProjectionStats>,
    refreshed: Option<Instant>,
    counted: Option<Instant>,
    front: Position,
    pausing: Pausing,
    /// When the group's last batch began.
    batched: Option<Instant>,
}

impl Runner {
    #[must_use]
    pub fn new(log: LogPool, registry: Registry, options: RunnerOptions) -> Self {
        let positions = options.positions.unwrap_or_else(|| Positions::new(log.pg().clone()));
        positions.runner_is_here();
        let writer = log.apart(1).pg().clone();
        let log = log.apart(OWN);
        Self {
            feed: Feed::new(log.clone(), options.committed, options.tail),
            writer,
            log,
            registry,
            demand: positions.demand(),
            positions,
            stats: Stats::default(),
            members: Vec::new(),
            away: JoinSet::new(),
            away_rows: HashMap::new(),
            foreign: Vec::new(),
            refreshed: None,
            counted: None,
            front: 0,
            pausing: Pausing::default(),
            batched: None,
        }
    }

    /// Commands of this process go first when the machine is full, unless somebody waits for a
    /// read model.
    #[must_use]
    pub fn giving_way(mut self, pausing: Pausing) -> Self {
        self.pausing = pausing;
        self
    }

    /// The handle for the query side of this process; it learns of commits without asking.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.positions.clone()
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Runs until `stop`; a batch that has begun is finished.
    ///
    /// On a thread of its own: a batch is a few dozen round trips one after the other, and among the
    /// requests of a busy process each would wait for its turn on the shared runtime.
    pub async fn run(self, stop: CancellationToken) {
        // Also when this future is dropped.
        let stop = stop.child_token();
        let _guard = stop.clone().drop_guard();
        let (ended, end) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let thread = std::thread::Builder::new().name("projector".to_owned());
        let begun = runtime.and_then(|runtime| {
            thread.spawn(move || {
                let _ended = ended;
                runtime.block_on(self.follow(stop));
            })
        });
        match begun {
            // It ends by being dropped.
            Ok(_) => drop(end.await),
            Err(error) => tracing::error!(%error, "the projections have no thread and do not run"),
        }
    }

    async fn follow(mut self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            match self.round().await {
                Ok(Step::Applied(_)) => {
                    pause = FIRST_PAUSE;
                    if !self.positions.anybody_waits() {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            _ = self.demand.changed() => {}
                            () = self.pausing.pause() => {}
                        }
                    }
                    let gathering = self.gathering();
                    if !gathering.is_zero() {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = tokio::time::sleep(gathering) => {}
                        }
                    }
                }
                Ok(Step::Idle) => {
                    pause = FIRST_PAUSE;
                    self.pausing.caught_up();
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = self.feed.wait(self.front, POLL) => {}
                        _ = self.demand.changed() => {}
                        Some(back) = self.away.join_next_with_id(), if !self.away.is_empty() => {
                            take_back(&mut self.members, &mut self.away_rows, back);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "projections wait for the database");
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        self.rejoin().await;
        self.writer.close().await;
        self.log.pg().close().await;
    }

    /// What is left of the time in which the next batch gathers events; nothing when a full one
    /// is there.
    fn gathering(&self) -> Duration {
        let behind = self.feed.head() - self.front >= PageLimit::TAIL.events;
        let since = self.batched.filter(|_| !behind).map(|at| at.elapsed());
        since.map_or(Duration::ZERO, |since| GATHER.saturating_sub(since))
    }

    /// One batch for the group and one for everybody apart, all finished on return.
    ///
    /// # Errors
    /// [`StoreError`] when the database or the log is at fault; one projection's failure shows in
    /// [`Runner::stats`].
    pub async fn step(&mut self) -> Result<Step, StoreError> {
        self.refreshed = None;
        let step = self.round().await;
        self.rejoin().await;
        self.report();
        step
    }

    async fn rejoin(&mut self) {
        while let Some(back) = self.away.join_next_with_id().await {
            take_back(&mut self.members, &mut self.away_rows, back);
        }
    }

    async fn round(&mut self) -> Result<Step, StoreError> {
        while let Some(back) = self.away.try_join_next_with_id() {
            take_back(&mut self.members, &mut self.away_rows, back);
        }
        if self.refreshed.is_none_or(|at| at.elapsed() >= REFRESH) {
            self.refresh().await?;
            self.refreshed = Some(Instant::now());
        }
        let Plan { group, cut, apart } = plan(&mut self.members, Instant::now());
        for members in apart {
            self.send_apart(members);
        }
        let step = self.group_step(group, cut).await;
        self.report();
        step
    }

    async fn group_step(
        &mut self,
        mut group: Vec<Member>,
        cut: Option<Position>,
    ) -> Result<Step, StoreError> {
        let Some(front) = group.first().map(|member| member.position) else { return Ok(Step::Idle) };
        self.front = front;
        let live = |group: &[Member]| group.iter().filter(|m| m.state == GenerationState::Live).count();
        let before = live(&group);
        let done = self.try_group(&mut group, front, cut).await;
        if live(&group) < before {
            // Another generation took over: find it now and not in half a second.
            self.refreshed = None;
        }
        self.publish(&group);
        self.members.append(&mut group);
        done
    }

    async fn try_group(
        &mut self,
        group: &mut [Member],
        front: Position,
        cut: Option<Position>,
    ) -> Result<Step, StoreError> {
        let began = Instant::now();
        let mut events: Vec<RecordedEvent> = self.feed.poll(front).await?;
        if let Some(cut) = cut {
            events.truncate(events.partition_point(|event| event.position <= cut));
        }
        let end = events.last().map_or(front, |event| event.position);
        let waited_for = self.positions.anybody_waits();
        advance_group(&self.writer, self.log.epoch(), group, &events, end, waited_for).await?;
        if end == front {
            return Ok(Step::Idle);
        }
        self.front = end;
        self.batched = Some(began);
        Ok(Step::Applied(end))
    }

    fn send_apart(&mut self, members: Vec<Member>) {
        if self.away.len() >= APART {
            self.members.extend(members);
            return;
        }
        let head = self.feed.head();
        let rows = members.iter().map(|member| member.stats(Condition::Apart, head)).collect();
        let handle = self.away.spawn(catch_up(self.log.clone(), members, head, self.positions.clone()));
        self.away_rows.insert(handle.id(), rows);
    }

    /// Learns which generations there are and where they stand.
    async fn refresh(&mut self) -> Result<(), StoreError> {
        let epoch = self.log.epoch();
        let mut rows = checkpoints(self.log.pg()).await?;
        if rows.iter().any(|row| row.epoch < epoch) {
            adopt(self.log.pg(), epoch).await?;
            rows = checkpoints(self.log.pg()).await?;
        }
        let away: HashSet<GenerationKey> =
            self.away_rows.values().flatten().map(|row| (row.projection, row.generation)).collect();
        self.foreign.clear();
        let mut seen = HashSet::new();
        for row in rows {
            let Some(model) = self.registry.get(&row.projection) else { continue };
            let key = (model.name(), row.generation);
            if row.state == GenerationState::Building || away.contains(&key) {
                continue;
            }
            if row.shape != model.shape() {
                if row.state == GenerationState::Live {
                    self.foreign.push(ProjectionStats {
                        projection: model.name(),
                        generation: row.generation,
                        state: row.state,
                        condition: Condition::NeedsRebuild,
                        position: row.position,
                        lag: 0,
                        parked_keys: 0,
                        polled_seconds: 0.0,
                        problem: Some("its tables have another shape than this program writes".into()),
                    });
                }
                continue;
            }
            seen.insert(key);
            let member = match self.members.iter_mut().find(|member| self::key(member) == key) {
                Some(member) => member,
                None => {
                    let target = Target {
                        model: model.clone(),
                        generation: row.generation,
                        schema: row.schema_name,
                        durable: row.position,
                        standing: None,
                        seen: None,
                    };
                    self.members.push(Member::new(target, row.state));
                    // Pushed the line above.
                    let Some(member) = self.members.last_mut() else { continue };
                    member.problem = row.problem;
                    member
                }
            };
            member.state = row.state;
            member.stands_at(row.position);
            member.pin = row.pinned_at;
            if row.pinned_at.is_some_and(|at| at < member.position) {
                member.position = row.position;
            }
            if member.status == Status::NeedsRebuild && row.epoch == epoch {
                member.status = Status::Ready;
            }
        }
        self.members.retain(|member| seen.contains(&key(member)));
        self.count_parked().await
    }

    async fn count_parked(&mut self) -> Result<(), StoreError> {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_PARKED) {
            return Ok(());
        }
        let rows = sqlx::query!(
            r#"select projection, generation, count(distinct key) as "keys!"
               from parked_events group by projection, generation"#
        )
        .fetch_all(self.log.pg())
        .await?;
        for member in &mut self.members {
            member.parked_keys = rows
                .iter()
                .find(|row| {
                    row.projection == member.target.model.name() && row.generation == member.target.generation
                })
                .map_or(0, |row| row.keys);
        }
        self.counted = Some(Instant::now());
        Ok(())
    }

    fn publish(&self, members: &[Member]) {
        publish(&self.positions, members);
    }

    fn report(&self) {
        let head = self.feed.head();
        let here = self.members.iter().map(|member| member.stats(member.condition(self.front), head));
        let away = self.away_rows.values().flatten().cloned();
        self.stats.set(here.chain(away).chain(self.foreign.iter().cloned()).collect());
    }
}

fn key(member: &Member) -> GenerationKey {
    (member.target.model.name(), member.target.generation)
}

pub(super) fn publish(positions: &Positions, members: &[Member]) {
    positions.publish(
        members
            .iter()
            .filter(|member| member.state == GenerationState::Live)
            .map(|member| (member.target.model.name().to_owned(), member.target.durable)),
    );
}

type Back = Result<(Id, Vec<Member>), tokio::task::JoinError>;

fn take_back(members: &mut Vec<Member>, away: &mut HashMap<Id, Vec<ProjectionStats>>, back: Back) {
    match back {
        Ok((id, back)) => {
            away.remove(&id);
            members.extend(back);
        }
        Err(error) => {
            // The refresh brings its members back, from their checkpoints.
            away.remove(&error.id());
            tracing::error!("a projection panicked while it caught up");
        }
    }
}
