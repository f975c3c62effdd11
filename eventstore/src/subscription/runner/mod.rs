//! Feeds the read models: the group in step, whoever is apart beside it.

mod group;
mod refresh;
mod thread;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use kernel::Position;
use sqlx::PgPool;
use tokio::{
    sync::watch,
    task::{Id, JoinSet},
};

use super::{
    Condition, GenerationState, Positions, ProjectionStats, Registry, Stats, catch_up,
    feed::Feed,
    groups::{Plan, plan},
    member::Member,
    tail::OpenTail,
};
use crate::{LogPool, StoreError, precedence::Pausing};

/// How often the runner asks whether generations came, went, or were pinned.
const REFRESH: Duration = Duration::from_millis(500);
/// Catch-ups at once, beside the group. Too high: they take the database from the group.
const APART: usize = 2;
/// Connections for reading ahead, for looking at checkpoints and for catch-ups.
const OWN: u32 = 4;

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
