use std::time::Duration;

use sqlx::{Executor, PgPool};

use super::{GenerationError, switch::is_wait};
use crate::subscription::{Checkpoint, GenerationState, checkpoints};

/// How long a generation that was live stays fed, for [`super::rollback`]. Too long: every event
/// is written twice all that time; too short: nobody has noticed the mistake yet.
pub const ROLLBACK_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Drops retained generations whose window has ended; names them. One that somebody still reads
/// is left for the next time.
///
/// # Errors
/// [`GenerationError`] when the database cannot be asked.
pub async fn drop_expired(owner: &PgPool, window: Duration) -> Result<Vec<(String, i32)>, GenerationError> {
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(owner).await?;
    let mut dropped = Vec::new();
    for row in checkpoints(owner).await? {
        let expired = row.retired_at.is_some_and(|at| {
            // A window that chrono cannot express never ends.
            chrono::TimeDelta::from_std(window).is_ok_and(|window| at + window <= now)
        });
        if row.state == GenerationState::Retained && expired && drop_generation(owner, &row).await? {
            dropped.push((row.projection, row.generation));
        }
    }
    Ok(dropped)
}

/// Removes a generation that is not live. False: somebody uses its tables.
pub(super) async fn drop_generation(owner: &PgPool, row: &Checkpoint) -> Result<bool, GenerationError> {
    for _ in 0..10 {
        let mut transaction = owner.begin_with("begin; set local lock_timeout = '80ms'").await?;
        let dropped = async {
            let deleted = sqlx::query!(
                "delete from projection_checkpoints
                 where projection = $1 and generation = $2 and state <> 'live'",
                row.projection,
                row.generation
            )
            .execute(&mut *transaction)
            .await?;
            if deleted.rows_affected() == 1 {
                transaction.execute(&*format!("drop schema {} cascade", row.schema_name)).await?;
            }
            transaction.commit().await
        }
        .await;
        match dropped {
            Ok(()) => return Ok(true),
            Err(error) if is_wait(&error) => tokio::time::sleep(Duration::from_millis(150)).await,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}
