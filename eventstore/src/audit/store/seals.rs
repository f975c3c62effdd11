use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::PgExecutor;

use crate::{StoreError, canonical::Hash};

/// A stored checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    pub number: i64,
    pub epoch: i32,
    pub size: Position,
    pub root: Hash,
    pub note: String,
    pub sealed_at: DateTime<Utc>,
}

struct Row {
    number: i64,
    epoch: i32,
    size: Position,
    root: Vec<u8>,
    note: String,
    sealed_at: DateTime<Utc>,
}

impl From<Row> for Seal {
    fn from(Row { number, epoch, size, root, note, sealed_at }: Row) -> Self {
        // The table's check keeps other lengths out; one that got in equals no root.
        Self { number, epoch, size, root: root.try_into().unwrap_or_default(), note, sealed_at }
    }
}

/// The newest checkpoint.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn last_seal(db: impl PgExecutor<'_>) -> Result<Option<Seal>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select number, epoch, size, root, note, sealed_at from seals order by number desc limit 1"
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Seal::from))
}

/// The first checkpoint that covers a position.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn seal_at(db: impl PgExecutor<'_>, position: Position) -> Result<Option<Seal>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select number, epoch, size, root, note, sealed_at from seals where size >= $1
         order by size, number limit 1",
        position
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Seal::from))
}

/// Checkpoints after a number, in order.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn seals_after(db: impl PgExecutor<'_>, number: i64, limit: i64) -> Result<Vec<Seal>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select number, epoch, size, root, note, sealed_at from seals where number > $1
         order by number limit $2",
        number,
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Seal::from).collect())
}
