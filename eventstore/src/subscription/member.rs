use std::time::{Duration, Instant};

use kernel::Position;

use super::{
    Condition, GenerationState, ProjectionStats,
    batch::{Target, Verdict},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Recovery after a long outage starts within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A projection that stopped at an event it cannot read tries again this often: the cure is
/// another program, or a skip by an operator.
const STOPPED_PAUSE: Duration = Duration::from_secs(10);

/// A generation as the runner sees it.
pub(super) struct Member {
    pub target: Target,
    pub state: GenerationState,
    /// Events up to here are applied, or were nothing for it; `target.durable` follows within a
    /// second.
    pub position: Position,
    pub written: Instant,
    pub status: Status,
    /// Failures in a row; a member that failed last time runs apart from the others.
    pub failures: u32,
    pub problem: Option<String>,
    pub parked_keys: i64,
    /// Must not go beyond this now.
    pub pin: Option<Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ready,
    /// Not before this instant.
    Resting {
        until: Instant,
        stopped: bool,
    },
    NeedsRebuild,
    Gone,
}

impl Member {
    pub fn new(target: Target, state: GenerationState) -> Self {
        Self {
            position: target.durable,
            target,
            state,
            written: Instant::now(),
            status: Status::Ready,
            failures: 0,
            problem: None,
            parked_keys: 0,
            pin: None,
        }
    }

    pub fn is_ready(&self, now: Instant) -> bool {
        match self.status {
            Status::Ready => self.pin.is_none_or(|at| at > self.position),
            Status::Resting { until, .. } => now >= until && self.pin.is_none_or(|at| at > self.position),
            Status::NeedsRebuild | Status::Gone => false,
        }
    }

    pub fn condition(&self, front: Position) -> Condition {
        match self.status {
            Status::NeedsRebuild | Status::Gone => Condition::NeedsRebuild,
            Status::Resting { stopped: true, .. } => Condition::Stopped,
            Status::Resting { .. } => Condition::BackingOff,
            Status::Ready if self.pin.is_some_and(|at| at <= self.position) => Condition::Pinned,
            Status::Ready if self.failures > 0 || self.position < front => Condition::Apart,
            Status::Ready => Condition::Following,
        }
    }

    pub fn stats(&self, condition: Condition, head: Position) -> ProjectionStats {
        ProjectionStats {
            projection: self.target.model.name(),
            generation: self.target.generation,
            state: self.state,
            condition,
            position: self.target.durable,
            lag: (head - self.position).max(0),
            parked_keys: self.parked_keys,
            polled_seconds: 0.0,
            problem: self.problem.clone(),
        }
    }

    /// The checkpoint is here, whoever moved it.
    pub fn stands_at(&mut self, durable: Position) {
        // What it skipped in memory as idle stays skipped only if the database is not beyond it.
        if durable > self.position || durable < self.target.durable {
            self.position = durable;
        }
        self.target.durable = durable;
    }

    pub fn take_verdict(&mut self, verdict: &Verdict, end: Position) {
        match verdict {
            Verdict::Moved { parked, state } => {
                self.position = end;
                self.state = *state;
                self.written = Instant::now();
                self.status = Status::Ready;
                self.failures = 0;
                self.problem = None;
                if *parked > 0 {
                    self.parked_keys = self.parked_keys.max(1);
                }
            }
            Verdict::Elsewhere(position) => {
                self.position = *position;
                self.target.durable = *position;
            }
            Verdict::Pinned(at) => {
                // The idle part in memory does not count: it stands exactly where the row says.
                self.position = self.target.durable;
                self.pin = Some(*at);
            }
            Verdict::Gone => self.status = Status::Gone,
            Verdict::OtherEpoch => {
                self.status = Status::NeedsRebuild;
                self.problem = Some("applied events of another epoch; rebuild it".to_owned());
            }
            Verdict::Stopped { at, reason } => {
                self.position = *at;
                self.written = Instant::now();
                self.status = Status::Resting { until: Instant::now() + STOPPED_PAUSE, stopped: true };
                self.failures += 1;
                self.problem = Some(reason.clone());
            }
            Verdict::Failed(reason) => self.failed(reason.clone()),
        }
    }

    pub fn failed(&mut self, reason: String) {
        // Nothing was applied: what was idle before is still idle.
        let pause = (FIRST_PAUSE * 2u32.pow(self.failures.min(10))).min(LONGEST_PAUSE);
        self.status = Status::Resting { until: Instant::now() + pause, stopped: false };
        self.failures += 1;
        self.problem = Some(reason);
    }
}
