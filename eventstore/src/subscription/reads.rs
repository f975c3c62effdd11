use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use kernel::Position;
use sqlx::PgPool;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Positions, Waited};

/// A replica that lacks what the log had this long ago is left alone. Longer: answers from the past;
/// shorter: a replica that replays in bursts is of no use.
pub const REPLICA_BEHIND: Duration = Duration::from_secs(10);
/// How often a replica is looked at: for as long queries go to one that has died.
const LOOK: Duration = Duration::from_millis(250);
/// A server that takes longer is as good as none.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long who asks for a position waits to hear whether the replica has it.
const GLANCE: Duration = Duration::from_millis(100);

/// Where queries read: a replica while it is there, of this log and not far behind, and the primary
/// for everything else. Cheap to clone.
///
/// A replica is never read beyond its own position: an answer is one statement that names the
/// position of the read model on the server that answered, and who asks for a later one is sent to
/// the primary.
#[derive(Clone)]
pub struct Reads(Arc<Inner>);

struct Inner {
    primary: PgPool,
    positions: Positions,
    replica: Option<Arc<Replica>>,
}

struct Replica {
    pool: PgPool,
    positions: Positions,
    usable: AtomicBool,
    seen: Mutex<Seen>,
}

impl Replica {
    /// Whether it is there already: a replica that is behind cannot know what was lost.
    async fn is_at(&self, read_models: &[&str], wanted: Position) -> bool {
        for read_model in read_models {
            let waited = self.positions.wait_for(read_model, wanted, Duration::ZERO).await;
            if !matches!(waited, Waited::Reached(_)) {
                return false;
            }
        }
        true
    }
}

#[derive(Default)]
struct Seen {
    /// Where the log's end was, and when.
    heads: VecDeque<(Instant, Position)>,
    log: Option<(i64, i32)>,
    condition: ReplicaCondition,
}

/// What is known of the replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaCondition {
    /// Queries that ask for no position go to it.
    pub usable: bool,
    pub position: Position,
    /// Events of the log that it does not have; 0 while the primary does not answer.
    pub lag: i64,
    /// Why it is not used.
    pub problem: Option<&'static str>,
}

struct Standing {
    system_identifier: i64,
    epoch: i32,
    position: Position,
}

impl Reads {
    /// `positions` are the primary's. A replica is not used before [`Reads::watch`] has looked at it.
    #[must_use]
    pub fn new(primary: PgPool, positions: Positions, replica: Option<PgPool>) -> Self {
        let replica = replica.map(|pool| {
            let positions = Positions::new(pool.clone());
            Arc::new(Replica { pool, positions, usable: AtomicBool::new(false), seen: Mutex::default() })
        });
        Self(Arc::new(Inner { primary, positions, replica }))
    }

    /// The same, with positions of the primary that learn of commits without asking.
    #[must_use]
    pub fn told_by(&self, positions: Positions) -> Self {
        let (primary, replica) = (self.0.primary.clone(), self.0.replica.clone());
        Self(Arc::new(Inner { primary, positions, replica }))
    }

    /// For an answer at whatever position it is.
    #[must_use]
    pub fn any(&self) -> &PgPool {
        self.usable().map_or(&self.0.primary, |replica| &replica.pool)
    }

    #[must_use]
    pub fn primary(&self) -> &PgPool {
        &self.0.primary
    }

    /// For an answer at `wanted` or later of these read models: the replica if it is there already,
    /// or the primary as soon as it is.
    ///
    /// # Errors
    /// How the wait ended instead.
    pub async fn at(
        &self,
        read_models: &[&str],
        wanted: Position,
        patience: Duration,
    ) -> Result<&PgPool, Waited> {
        if let Some(replica) = self.usable() {
            // One that does not answer must not cost everybody the time of a connection.
            if timeout(GLANCE, replica.is_at(read_models, wanted)).await.unwrap_or(false) {
                return Ok(&replica.pool);
            }
        }
        let deadline = Instant::now() + patience;
        for read_model in read_models {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.positions.wait_for(read_model, wanted, left).await {
                Waited::Reached(_) => {}
                other => return Err(other),
            }
        }
        Ok(&self.0.primary)
    }

    fn usable(&self) -> Option<&Replica> {
        self.0.replica.as_deref().filter(|replica| replica.usable.load(Ordering::Relaxed))
    }

    /// `None` without a replica.
    #[must_use]
    pub fn replica(&self) -> Option<ReplicaCondition> {
        let replica = self.0.replica.as_ref()?;
        Some(replica.seen.lock().unwrap_or_else(PoisonError::into_inner).condition.clone())
    }

    /// Looks at the replica until it is stopped.
    pub async fn watch(self, stop: CancellationToken) {
        if self.0.replica.is_none() {
            return;
        }
        while !stop.is_cancelled() {
            self.look().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// One look.
    pub async fn look(&self) {
        let Some(replica) = &self.0.replica else { return };
        // The replica first: read the other way round, it could seem ahead.
        let there = timeout(PATIENCE, standing(&replica.pool)).await.ok().and_then(Result::ok);
        let here = timeout(PATIENCE, standing(&self.0.primary)).await.ok().and_then(Result::ok);
        let mut seen = replica.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let condition = seen.judge(there, here, Instant::now());
        if condition.usable != seen.condition.usable {
            let (usable, problem) = (condition.usable, condition.problem);
            tracing::info!(usable, problem, "queries change between the primary and its replica");
        }
        replica.usable.store(condition.usable, Ordering::Relaxed);
        seen.condition = condition;
    }
}

impl Seen {
    fn judge(&mut self, there: Option<Standing>, here: Option<Standing>, now: Instant) -> ReplicaCondition {
        if let Some(here) = &here {
            let log = Some((here.system_identifier, here.epoch));
            if self.log != log {
                self.heads.clear();
                self.log = log;
            }
            self.heads.push_back((now, here.position));
        }
        // The newest that is old enough stays: it is what has to be there.
        while self.heads.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= REPLICA_BEHIND) {
            self.heads.pop_front();
        }
        let Some(there) = there else {
            return ReplicaCondition { problem: Some("it does not answer"), ..ReplicaCondition::default() };
        };
        let head = self.heads.back().map_or(there.position, |(_, head)| *head);
        let needed = self.heads.front().filter(|(at, _)| now.duration_since(*at) >= REPLICA_BEHIND);
        let problem = if self.log != Some((there.system_identifier, there.epoch)) {
            Some("it is of another log, or another epoch")
        } else if needed.is_some_and(|(_, needed)| there.position < *needed) {
            Some("it is too far behind")
        } else {
            None
        };
        let lag = (head - there.position).max(0);
        ReplicaCondition { usable: problem.is_none(), position: there.position, lag, problem }
    }
}

async fn standing(pool: &PgPool) -> Result<Standing, sqlx::Error> {
    sqlx::query_as!(Standing, "select system_identifier, epoch, position from log_head").fetch_one(pool).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: Position) -> Option<Standing> {
        Some(Standing { system_identifier: 1, epoch: 1, position })
    }

    #[test]
    fn a_replica_is_used_while_it_has_what_the_log_had_some_time_ago() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(seen.judge(at(3), at(5), start).usable);
        let lagging = seen.judge(at(3), at(9), after(9));
        assert_eq!((lagging.usable, lagging.lag), (true, 6));
        // It lacks what was there at the start.
        assert_eq!(seen.judge(at(3), at(9), after(10)).problem, Some("it is too far behind"));
        assert!(seen.judge(at(5), at(9), after(11)).usable);
        assert!(!seen.judge(at(5), at(9), after(20)).usable, "nor what came later");
        assert!(seen.judge(at(9), at(9), after(21)).usable);
        // An idle log needs nothing; a primary that is away takes nobody along.
        assert!(seen.judge(at(9), at(9), after(90)).usable);
        assert!(seen.judge(at(9), None, after(95)).usable);
        assert!(!seen.judge(None, at(9), after(96)).usable);
        let other = Some(Standing { system_identifier: 1, epoch: 2, position: 9 });
        assert!(!seen.judge(at(9), other, after(97)).usable, "the log went through a failover");
    }
}
