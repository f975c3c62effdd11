use sqlx::PgExecutor;

use crate::StoreError;

/// Partitions kept attached beyond the one being written.
const PARTITIONS_AHEAD: i32 = 2;
/// Receipts are kept for at least three days.
const RECEIPT_HOURS: f64 = 72.0;
/// Rows per delete: small, so that no append waits for it.
pub const UPKEEP_BATCH: i64 = 1000;

/// Attaches the partitions that are missing; tells how many. Several may do it at once.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn ensure_partitions(db: impl PgExecutor<'_>) -> Result<i32, StoreError> {
    Ok(sqlx::query_scalar!(r#"select ensure_partitions($1) as "made!""#, PARTITIONS_AHEAD)
        .fetch_one(db)
        .await?)
}

/// Deletes one batch of expired receipts; fewer than [`UPKEEP_BATCH`]: these were the last.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn expire_receipts(db: impl PgExecutor<'_>) -> Result<i64, StoreError> {
    let deleted = sqlx::query_file!("src/log/sql/expire_receipts.sql", RECEIPT_HOURS, UPKEEP_BATCH)
        .execute(db)
        .await?
        .rows_affected();
    Ok(i64::try_from(deleted).unwrap_or(UPKEEP_BATCH))
}

/// Ends one batch of counted windows that are over; fewer than [`UPKEEP_BATCH`]: these were the
/// last.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn expire_windows(db: impl PgExecutor<'_>) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(r#"select expire_reservations($1) as "ended!""#, UPKEEP_BATCH)
        .fetch_one(db)
        .await?)
}
