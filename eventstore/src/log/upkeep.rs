use std::time::Duration;

use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::StoreError;

/// Partitions kept attached beyond the one being written.
const PARTITIONS_AHEAD: i32 = 2;
/// Receipts are kept for at least three days.
const RECEIPT_HOURS: f64 = 72.0;
/// Rows per delete: small, so that no append waits for it.
const RECEIPT_BATCH: i64 = 1000;

/// What the log needs done now and then; several processes may do it at once.
pub struct Upkeep {
    pool: PgPool,
    pub every: Duration,
}

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upkept {
    pub partitions: i32,
    pub receipts: u64,
    /// Windows of counted quotas that had ended.
    pub windows: i64,
}

impl Upkeep {
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool, every: Duration::from_secs(60) }
    }

    /// One round.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub async fn step(&self) -> Result<Upkept, StoreError> {
        let partitions = sqlx::query_scalar!(r#"select ensure_partitions($1) as "made!""#, PARTITIONS_AHEAD)
            .fetch_one(&self.pool)
            .await?;
        let mut receipts = 0;
        loop {
            let deleted = sqlx::query_file!("src/log/sql/expire_receipts.sql", RECEIPT_HOURS, RECEIPT_BATCH)
                .execute(&self.pool)
                .await?
                .rows_affected();
            receipts += deleted;
            if deleted < RECEIPT_BATCH.unsigned_abs() {
                break;
            }
        }
        let mut windows = 0;
        loop {
            let ended = sqlx::query_scalar!(r#"select expire_reservations($1) as "ended!""#, RECEIPT_BATCH)
                .fetch_one(&self.pool)
                .await?;
            windows += ended;
            if ended < RECEIPT_BATCH {
                return Ok(Upkept { partitions, receipts, windows });
            }
        }
    }

    /// Rounds until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            match self.step().await {
                Ok(Upkept { partitions: 0, receipts: 0, windows: _ }) => {}
                Ok(done) => tracing::info!(done.partitions, done.receipts, "log upkeep"),
                Err(error) => tracing::warn!(%error, "log upkeep failed, trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(self.every) => {}
            }
        }
    }
}
