use kernel::Position;
use sqlx::{PgConnection, PgPool};

use super::{Evidence, Lost};
use crate::StoreError;

/// An operator's decision to go on, on the server that `advance` is given.
#[derive(Debug, Clone)]
pub struct Advance {
    /// Why, in the operator's words; kept in `epochs`, so nothing personal.
    pub reason: String,
    pub evidence: Evidence,
    /// Go on although events are known to be lost, or although nobody could be asked.
    pub accept_loss: bool,
    /// Begin a new epoch although the server is the epoch's own.
    pub force: bool,
}

/// A read model that applied events this log does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeyondHead {
    pub projection: String,
    pub generation: i32,
    pub position: Position,
}

/// What an advance did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advanced {
    pub from: i32,
    pub to: i32,
    /// The head: last position of the epoch that ended. The next epoch begins after it.
    pub position: Position,
    /// What was given up.
    pub lost: Option<Lost>,
    /// Checkpoints that went along.
    pub checkpoints_moved: u64,
    /// Generations that stay in the old epoch and are fed no more until they are rebuilt.
    pub must_rebuild: Vec<BeyondHead>,
}

/// Why the epoch was not advanced. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    #[error("nothing has changed: the server is the one that epoch {epoch} belongs to")]
    NothingChanged { epoch: i32 },
    #[error("this server is a standby: promote it first")]
    InRecovery,
    #[error(
        "{lost} are in the stream {stream} but not in this log: bring them back with `replay stream salvage` \
         or by promoting a server that has them, or give them up with --accept-loss"
    )]
    WouldLose { lost: Lost, stream: String },
    #[error(
        "the read model {} (generation {}) stands at position {}, beyond the log's head {head}: promote a \
         server that has these events, or give them up with --accept-loss", first.projection,
        first.generation, first.position
    )]
    ReadModelBeyond { first: BeyondHead, head: Position },
    #[error(
        "the stream could not be asked what it holds beyond the head ({0}): start NATS, or go on without \
         knowing with --accept-loss"
    )]
    NotAsked(String),
    #[error("the log moved while the stream was compared (from position {seen} to {now}): try again")]
    HeadMoved { seen: Position, now: Position },
    #[error(transparent)]
    Log(#[from] StoreError),
}

impl AdvanceError {
    /// A rule said no; everything else is a failure.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Log(_))
    }
}

/// Begins the next epoch on the server behind `owner`, in one transaction with the head row locked.
/// From its commit on, processes of the old epoch are refused and have to be started again.
///
/// # Errors
/// [`AdvanceError`]; nothing was changed then.
pub async fn advance(owner: &PgPool, advance: &Advance) -> Result<Advanced, AdvanceError> {
    if in_recovery(owner).await? {
        return Err(AdvanceError::InRecovery);
    }
    let mut transaction = owner.begin().await.map_err(StoreError::from)?;
    let advanced = advance_in(&mut transaction, advance).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(advanced)
}

async fn advance_in(connection: &mut PgConnection, wish: &Advance) -> Result<Advanced, AdvanceError> {
    let db = StoreError::from;
    // Checkpoints before the head: the order of every projector.
    let checkpoints = sqlx::query_file!("src/epoch/sql/lock_checkpoints.sql")
        .fetch_all(&mut *connection)
        .await
        .map_err(db)?;
    let head =
        sqlx::query_file!("src/epoch/sql/lock_head.sql").fetch_one(&mut *connection).await.map_err(db)?;
    if head.same_server && !wish.force {
        return Err(AdvanceError::NothingChanged { epoch: head.epoch });
    }
    // One that stayed behind at an earlier failover says nothing about this one.
    let beyond = checkpoints
        .into_iter()
        .filter(|row| row.epoch == head.epoch && row.position > head.position)
        .map(|row| BeyondHead {
            projection: row.projection,
            generation: row.generation,
            position: row.position,
        })
        .collect::<Vec<_>>();
    let lost = judge(wish, &beyond, head.position)?;

    let to = sqlx::query_file_scalar!("src/epoch/sql/begin_epoch.sql")
        .fetch_one(&mut *connection)
        .await
        .map_err(db)?;
    sqlx::query!(
        "insert into epochs (epoch, first_position, reason) values ($1, $2, $3)",
        to,
        head.position + 1,
        told_reason(wish, lost),
    )
    .execute(&mut *connection)
    .await
    .map_err(db)?;
    let checkpoints_moved = sqlx::query!(
        "update projection_checkpoints set epoch = $2 where epoch = $1 and position <= $3",
        head.epoch,
        to,
        head.position,
    )
    .execute(&mut *connection)
    .await
    .map_err(db)?
    .rows_affected();
    sqlx::query_file!("src/epoch/sql/mark_beyond.sql", head.epoch, head.position)
        .execute(&mut *connection)
        .await
        .map_err(db)?;
    Ok(Advanced {
        from: head.epoch,
        to,
        position: head.position,
        lost,
        checkpoints_moved,
        must_rebuild: beyond,
    })
}

/// Refuses what would pass over a loss in silence; returns what is given up.
fn judge(wish: &Advance, beyond: &[BeyondHead], head: Position) -> Result<Option<Lost>, AdvanceError> {
    if let Evidence::Stream { head: seen, .. } = &wish.evidence
        && *seen != head
    {
        return Err(AdvanceError::HeadMoved { seen: *seen, now: head });
    }
    let lost = wish.evidence.lost();
    if wish.accept_loss {
        return Ok(lost);
    }
    match &wish.evidence {
        Evidence::Unknown(why) => return Err(AdvanceError::NotAsked(why.clone())),
        Evidence::Stream { tail, .. } => {
            if let Some(lost) = lost {
                return Err(AdvanceError::WouldLose { lost, stream: tail.stream.clone() });
            }
        }
        Evidence::NoStream => {}
    }
    match beyond.first() {
        Some(first) => Err(AdvanceError::ReadModelBeyond { first: first.clone(), head }),
        None => Ok(None),
    }
}

/// What was given up stays written where the epoch begins.
fn told_reason(wish: &Advance, lost: Option<Lost>) -> String {
    match (&wish.evidence, lost) {
        (_, Some(lost)) => format!("{} (given up: {lost})", wish.reason),
        (Evidence::Unknown(_), None) => format!("{} (the stream could not be asked)", wish.reason),
        _ => wish.reason.clone(),
    }
}

async fn in_recovery(pool: &PgPool) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select pg_is_in_recovery() as "yes!""#).fetch_one(pool).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::StreamTail;

    const LOST: Lost = Lost { epoch: 1, from: 11, to: 15 };

    fn wish(evidence: Evidence, accept_loss: bool) -> Advance {
        Advance { reason: "the rack burnt".into(), evidence, accept_loss, force: false }
    }

    fn stream(lost: Option<Lost>) -> Evidence {
        let tail = StreamTail { stream: "EVENTS".into(), first: 1, last: 15, common: Some(10), lost };
        Evidence::Stream { head: 10, tail }
    }

    #[test]
    fn a_loss_is_given_up_only_on_purpose_and_stays_written_down() {
        let refused = judge(&wish(stream(Some(LOST)), false), &[], 10);
        assert!(matches!(refused, Err(AdvanceError::WouldLose { .. })), "{refused:?}");
        let accepted = wish(stream(Some(LOST)), true);
        assert_eq!(judge(&accepted, &[], 10).unwrap(), Some(LOST));
        let told = told_reason(&accepted, Some(LOST));
        assert_eq!(told, "the rack burnt (given up: 5 events at positions 11 to 15 of epoch 1)");
    }

    #[test]
    fn not_knowing_is_a_loss_until_somebody_accepts_it() {
        let unknown = || Evidence::Unknown("NATS is away".into());
        assert!(matches!(judge(&wish(unknown(), false), &[], 10), Err(AdvanceError::NotAsked(_))));
        assert_eq!(judge(&wish(unknown(), true), &[], 10).unwrap(), None);
        assert!(told_reason(&wish(unknown(), true), None).ends_with("(the stream could not be asked)"));
    }

    #[test]
    fn a_read_model_beyond_the_head_is_a_loss() {
        let beyond = [BeyondHead { projection: "node_page".into(), generation: 2, position: 12 }];
        let refused = judge(&wish(Evidence::NoStream, false), &beyond, 10).unwrap_err();
        assert!(refused.to_string().starts_with("the read model node_page (generation 2) stands at"));
        assert_eq!(judge(&wish(Evidence::NoStream, true), &beyond, 10).unwrap(), None);
    }

    #[test]
    fn a_comparison_with_another_head_is_no_evidence() {
        let refused = judge(&wish(stream(None), true), &[], 11);
        assert!(matches!(refused, Err(AdvanceError::HeadMoved { seen: 10, now: 11 })));
    }
}
