use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{StoreError, append::ReactorPoint};

/// A reactor's point, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactorCheckpoint {
    pub reactor: String,
    pub point: ReactorPoint,
    pub moved_at: DateTime<Utc>,
}

/// Makes a reactor known. It begins with the first event of the log, unless it is known already.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn register(pool: &PgPool, reactor: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into reactor_checkpoints (reactor, position) values ($1, 0) on conflict do nothing",
        reactor
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Where a registered reactor is.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked or the reactor is unknown.
pub async fn point_of(pool: &PgPool, reactor: &str) -> Result<ReactorPoint, StoreError> {
    sqlx::query!("select position, cursor from reactor_checkpoints where reactor = $1", reactor)
        .fetch_optional(pool)
        .await?
        .map(|row| ReactorPoint { position: row.position, cursor: row.cursor })
        .ok_or_else(|| StoreError::Internal(format!("the reactor {reactor} is not registered")))
}

/// All reactors that ever ran, by name.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn reactor_checkpoints(pool: &PgPool) -> Result<Vec<ReactorCheckpoint>, StoreError> {
    let rows = sqlx::query!("select reactor, position, cursor, moved_at from reactor_checkpoints order by 1")
        .fetch_all(pool)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| ReactorCheckpoint {
            reactor: row.reactor,
            point: ReactorPoint { position: row.position, cursor: row.cursor },
            moved_at: row.moved_at,
        })
        .collect())
}
