use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::PgExecutor;

use crate::StoreError;

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub epoch: i32,
    /// Last position given out; 0 in an empty log.
    pub position: Position,
    /// Database time of the last event.
    pub recorded_at: DateTime<Utc>,
}

/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn head(db: impl PgExecutor<'_>) -> Result<Head, StoreError> {
    Ok(sqlx::query_as!(Head, "select epoch, position, recorded_at from log_head").fetch_one(db).await?)
}

/// How many positions are left before the last attached partition is full. Below one partition's
/// size is an alarm: without a partition ahead, appends stop.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn partitions_ahead(db: impl PgExecutor<'_>) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select coalesce(max(p.to_position), 1) - 1 - (select position from log_head) as "left!"
           from log_partitions p"#
    )
    .fetch_one(db)
    .await?)
}

/// Age in seconds of the oldest snapshot anybody holds. A held snapshot keeps dead versions of
/// the head row alive and slows every append.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn wait_free_snapshot_age(db: impl PgExecutor<'_>) -> Result<f64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 as "age!"
           from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid()"#
    )
    .fetch_one(db)
    .await?)
}

/// Bytes of WAL that the server keeps because a backup has not fetched them; `None` where no backup
/// has ever been taken. A backup that has died fills the disk with it.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn backup_wal_kept(db: impl PgExecutor<'_>) -> Result<Option<f64>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 as "bytes?"
           from pg_replication_slots where slot_name = 'weltgewebe_backup'"#
    )
    .fetch_optional(db)
    .await?
    .flatten())
}
