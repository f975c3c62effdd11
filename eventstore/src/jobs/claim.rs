use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use super::Job;
use crate::StoreError;

/// A process that was paused in the middle must not hold up all others.
pub(super) const BEGIN: &str =
    "begin; set local lock_timeout = '5s'; set local idle_in_transaction_session_timeout = '10s'";

/// Takes a job; `None` when it is not due, or somebody does it or another one of its group. The
/// number is the run's: every later one has a higher one.
pub(super) async fn claim(
    pool: &PgPool,
    job: &dyn Job,
    holder: Uuid,
    lease: Duration,
    now: bool,
) -> Result<Option<i64>, StoreError> {
    let mut transaction = pool.begin_with(BEGIN).await?;
    // Two jobs of one group are two rows: without this both would see nobody.
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('weltgewebe.jobs.' || $1, 0))", job.group())
        .execute(&mut *transaction)
        .await?;
    let run = sqlx::query_file_scalar!(
        "src/jobs/sql/claim.sql",
        job.name(),
        job.group(),
        job.every().as_secs_f64(),
        holder,
        lease.as_secs_f64(),
        now,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(run)
}

/// Seconds until it is worth asking again; `None` for a job nobody has asked for yet.
pub(super) async fn due_in(pool: &PgPool, job: &str) -> Result<Option<f64>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select extract(epoch from greatest(due_at, held_until) - clock_timestamp())::float8 as "seconds!"
           from scheduled_jobs where job = $1"#,
        job
    )
    .fetch_optional(pool)
    .await?)
}
