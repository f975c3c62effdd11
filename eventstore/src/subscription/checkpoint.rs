use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::{PgConnection, PgExecutor};

use super::sentinel::Sentinel;
use crate::StoreError;

/// What a generation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum GenerationState {
    /// Filled by a rebuild; nobody reads it.
    Building,
    /// Shown by the views.
    Live,
    /// Was live before; fed until its rollback window ends.
    Retained,
}

/// One row of `projection_checkpoints`.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub projection: String,
    pub generation: i32,
    pub epoch: i32,
    pub position: Position,
    pub event_count: i64,
    pub digest: i64,
    pub state: GenerationState,
    pub schema_name: String,
    pub shape: Vec<u8>,
    /// Where a verifier holds it at present; an expired pin is `None`.
    pub pinned_at: Option<Position>,
    pub parked_revision: i64,
    /// Why it does not move.
    pub problem: Option<String>,
    pub updated_at: DateTime<Utc>,
    pub retired_at: Option<DateTime<Utc>>,
}

impl Checkpoint {
    #[must_use]
    pub const fn sentinel(&self) -> Sentinel {
        Sentinel { count: self.event_count, digest: self.digest }
    }
}

/// Every generation of every projection, by name and generation.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn checkpoints(db: impl PgExecutor<'_>) -> Result<Vec<Checkpoint>, StoreError> {
    Ok(sqlx::query_file_as!(Checkpoint, "src/subscription/sql/checkpoints.sql").fetch_all(db).await?)
}

/// The part of a checkpoint that decides whether a page may be applied.
#[derive(Debug, Clone)]
pub(crate) struct Locked {
    pub projection: String,
    pub generation: i32,
    pub epoch: i32,
    pub position: Position,
    pub state: GenerationState,
    pub pinned_at: Option<Position>,
    pub parked_revision: i64,
}

/// Locks checkpoints until the transaction ends, in one order. Whoever comes second waits here
/// and then sees what the first one did; those that are gone are missing.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    projections: &[String],
    generations: &[i32],
) -> Result<Vec<Locked>, sqlx::Error> {
    sqlx::query_file_as!(Locked, "src/subscription/sql/lock_checkpoints.sql", projections, generations)
        .fetch_all(connection)
        .await
}

/// One checkpoint's move.
pub(crate) struct Move<'a> {
    pub projection: &'a str,
    pub generation: i32,
    pub from: Position,
    pub to: Position,
    pub sentinel: Sentinel,
    pub problem: Option<String>,
}

/// Moves checkpoints by compare-and-set. Refuses (false) when one of them is not where it was
/// left, or when the log has another epoch or does not reach so far: then nothing of the
/// transaction may stay.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    epoch: i32,
    moves: &[Move<'_>],
) -> Result<bool, sqlx::Error> {
    if moves.is_empty() {
        return Ok(true);
    }
    let projections: Vec<String> = moves.iter().map(|m| m.projection.to_owned()).collect();
    let generations: Vec<i32> = moves.iter().map(|m| m.generation).collect();
    let from: Vec<i64> = moves.iter().map(|m| m.from).collect();
    let to: Vec<i64> = moves.iter().map(|m| m.to).collect();
    let counts: Vec<i64> = moves.iter().map(|m| m.sentinel.count).collect();
    let digests: Vec<i64> = moves.iter().map(|m| m.sentinel.digest).collect();
    let problems: Vec<Option<String>> = moves.iter().map(|m| m.problem.clone()).collect();
    let done = sqlx::query_file!(
        "src/subscription/sql/advance_checkpoints.sql",
        epoch,
        &projections,
        &generations,
        &from,
        &to,
        &counts,
        &digests,
        &problems as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == moves.len() as u64)
}

/// Says in the checkpoint why it does not move, for everybody who looks at the database.
pub(crate) async fn tell_problem(
    db: impl PgExecutor<'_>,
    projection: &str,
    generation: i32,
    problem: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update projection_checkpoints set problem = $3
         where projection = $1 and generation = $2 and problem is distinct from $3",
        projection,
        generation,
        problem
    )
    .execute(db)
    .await?;
    Ok(())
}

/// After a failover: a checkpoint that applied nothing of what was lost goes on in the new epoch.
/// One that did stays behind and has to be rebuilt.
pub(crate) async fn adopt(db: impl PgExecutor<'_>, epoch: i32) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update projection_checkpoints c set epoch = $1
         where c.epoch < $1
           and c.position < (select min(e.first_position) from epochs e
                             where e.epoch > c.epoch and e.epoch <= $1)",
        epoch
    )
    .execute(db)
    .await?;
    Ok(())
}
