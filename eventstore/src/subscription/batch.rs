use std::sync::Arc;

use kernel::{Position, RecordedEvent, crash_point};
use sqlx::{Executor, PgConnection, PgPool};

use super::{
    GenerationState,
    apply::Applied,
    checkpoint::{self, Locked, Move},
    fold::Parked,
    parked,
    registry::ReadModel,
    seen::Seen,
    standing::Standing,
};
use crate::{StoreError, error::failure_kind};

/// One generation of one projection, and where it durably stands.
#[derive(Clone)]
pub(crate) struct Target {
    pub model: Arc<dyn ReadModel>,
    pub generation: i32,
    pub schema: String,
    /// The checkpoint in the database as this process knows it.
    pub durable: Position,
    /// `None` until it was read under the checkpoint's lock.
    pub standing: Option<Arc<Standing>>,
    /// Only in a fill that began with empty tables and is alone in writing them.
    pub seen: Option<Arc<Seen>>,
}

/// What became of one target.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its checkpoint stands at the end of the batch; `state` as its lock showed it.
    Moved { parked: usize, state: GenerationState },
    /// Somebody else moved it here meanwhile; nothing was applied.
    Elsewhere(Position),
    /// A verifier holds it here.
    Pinned(Position),
    /// It was dropped.
    Gone,
    /// It belongs to another epoch.
    OtherEpoch,
    /// It went as far as this and cannot go on.
    Stopped { at: Position, reason: String },
    /// Only this one; the others are not affected.
    Failed(String),
}

/// How a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Flushed before it is announced.
    Flushed,
    /// A crash may take back whole batches, checkpoints included; for a fill, which goes on from
    /// its checkpoint.
    Lazy,
}

const BEGIN: &str = "begin; set local lock_timeout = '2s'; set local statement_timeout = '30s'";
pub(crate) const BEGIN_LAZY: &str = "begin; set local lock_timeout = '2s'; set local statement_timeout = '120s'; \
                          set local synchronous_commit = off";

/// Applies the events up to `end` to every target in one transaction, a savepoint for each.
/// Events a target has already seen are left out for it.
pub(crate) async fn write(
    pool: &PgPool,
    epoch: i32,
    targets: &mut [Target],
    events: &[RecordedEvent],
    end: Position,
    durability: Durability,
) -> Result<Vec<Verdict>, StoreError> {
    let begin = if durability == Durability::Lazy { BEGIN_LAZY } else { BEGIN };
    let mut transaction = pool.begin_with(begin).await?;
    let before: Vec<_> = targets.iter().map(|target| target.standing.clone()).collect();
    let written = async {
        let verdicts = write_in(&mut transaction, epoch, targets, events, end).await?;
        if durability == Durability::Flushed {
            crash_point!("projector.before-commit");
        }
        transaction.commit().await?;
        Ok(verdicts)
    }
    .await;
    let verdicts = match written {
        Ok(verdicts) => verdicts,
        Err(error) => {
            // What it parked was taken back with it.
            for (target, standing) in targets.iter_mut().zip(before) {
                target.standing = standing;
            }
            return Err(error);
        }
    };
    if durability == Durability::Flushed {
        crash_point!("projector.after-commit");
    }
    for (target, verdict) in targets.iter_mut().zip(&verdicts) {
        match verdict {
            Verdict::Moved { .. } => target.durable = end,
            Verdict::Stopped { at, .. } => target.durable = *at,
            _ => {}
        }
    }
    Ok(verdicts)
}

/// The same inside a transaction that somebody else ends. Leaves `durable` alone, and after an error
/// `standing` as well has to be thought again.
pub(crate) async fn write_in(
    connection: &mut PgConnection,
    epoch: i32,
    targets: &mut [Target],
    events: &[RecordedEvent],
    end: Position,
) -> Result<Vec<Verdict>, StoreError> {
    let names: Vec<String> = targets.iter().map(|target| target.model.name().to_owned()).collect();
    let generations: Vec<i32> = targets.iter().map(|target| target.generation).collect();
    let locked = checkpoint::lock(connection, &names, &generations).await?;
    let mut verdicts = Vec::with_capacity(targets.len());
    let mut moves = Vec::new();
    for target in targets.iter_mut() {
        let found =
            locked.iter().find(|l| l.projection == target.model.name() && l.generation == target.generation);
        let Some(found) = found else {
            verdicts.push(Verdict::Gone);
            continue;
        };
        if let Some(verdict) = refusal(found, target, epoch, end) {
            verdicts.push(verdict);
            continue;
        }
        match apply_one(connection, target, found, events).await {
            Ok(applied) => {
                let (to, problem) = match &applied.stop {
                    Some(stop) => (stop.position - 1, Some(stop.to_string())),
                    None => (end, None),
                };
                moves.push(Move {
                    projection: target.model.name(),
                    generation: target.generation,
                    from: target.durable,
                    to,
                    sentinel: applied.sentinel,
                    problem,
                });
                verdicts.push(match applied.stop {
                    Some(stop) => Verdict::Stopped { at: to, reason: stop.to_string() },
                    None => Verdict::Moved { parked: applied.parked.len(), state: found.state },
                });
            }
            Err(error) if concerns_all(&error) => return Err(error.into()),
            Err(error) => {
                connection.execute("rollback to savepoint page; release savepoint page").await?;
                verdicts.push(Verdict::Failed(failure_kind(&error)));
            }
        }
    }
    if !checkpoint::advance(connection, epoch, &moves).await? {
        // The rows are locked, so it is the head: another epoch, or a log that lost its tail.
        return Err(StoreError::Fenced);
    }
    Ok(verdicts)
}

/// Why this target cannot take the batch.
fn refusal(found: &Locked, target: &Target, epoch: i32, end: Position) -> Option<Verdict> {
    if found.epoch != epoch {
        return Some(Verdict::OtherEpoch);
    }
    if found.position != target.durable {
        return Some(Verdict::Elsewhere(found.position));
    }
    found.pinned_at.filter(|at| *at < end).map(Verdict::Pinned)
}

/// After success its savepoint stays, with the next one's inside it: releasing each would be a
/// round trip per projection, and the commit releases all of them.
async fn apply_one(
    connection: &mut PgConnection,
    target: &mut Target,
    found: &Locked,
    events: &[RecordedEvent],
) -> Result<Applied, sqlx::Error> {
    let standing = match &target.standing {
        Some(standing) if standing.revision == found.parked_revision => Arc::clone(standing),
        // The savepoint that an error of this read would need.
        _ => {
            connection.execute("savepoint page").await?;
            let standing =
                Standing::read(connection, target.model.name(), target.generation, found.parked_revision)
                    .await?;
            connection.execute("release savepoint page").await?;
            Arc::new(standing)
        }
    };
    let events = &events[events.partition_point(|event| event.position <= target.durable)..];
    let applied =
        target.model.apply(connection, &target.schema, events, &standing, target.seen.as_deref()).await?;
    park(connection, target, &applied.parked).await?;
    target.standing = Some(after(standing, &applied.parked));
    Ok(applied)
}

async fn park(connection: &mut PgConnection, target: &Target, parked: &[Parked]) -> Result<(), sqlx::Error> {
    if parked.is_empty() {
        return Ok(());
    }
    parked::insert(connection, target.model.name(), target.generation, parked).await
}

/// What the next page has to know. Kept also when the transaction fails later: a key too many in
/// here would lose events, so the caller drops it then.
fn after(standing: Arc<Standing>, parked: &[Parked]) -> Arc<Standing> {
    if parked.is_empty() {
        return standing;
    }
    let mut next = (*standing).clone();
    for event in parked {
        next.parked.entry(event.key.clone()).or_insert(event.position);
    }
    Arc::new(next)
}

/// The connection or the server is at fault, not one projection.
fn concerns_all(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(db) => db.code().is_some_and(|code| {
            // 57014 is a timeout of one statement, which the savepoint survives.
            code.starts_with("08") || code.starts_with("53") || (code.starts_with("57") && code != "57014")
        }),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        _ => false,
    }
}
