use std::time::Duration;

use kernel::Position;
use sqlx::PgPool;
use tokio::{task::JoinHandle, time::sleep};
use uuid::Uuid;

use super::{Sentinel, standing::Standing};
use crate::StoreError;

/// A verifier that dies holds a projection for this long at most.
const HOLD: &str = "60 seconds";
const RENEW: Duration = Duration::from_secs(15);

/// Holds a live generation exactly where it stands, for as long as the value lives.
pub(crate) struct Pin {
    pool: PgPool,
    holder: Uuid,
    renewal: JoinHandle<()>,
    pub generation: i32,
    pub schema: String,
    pub position: Position,
    pub sentinel: Sentinel,
    /// What is parked at this position.
    pub standing: Standing,
}

impl Pin {
    /// Waits for the batch in flight and stops the generation behind it. `None`: somebody else
    /// holds it, or it is not live.
    pub async fn take(pool: &PgPool, projection: &str) -> Result<Option<Self>, StoreError> {
        let holder = Uuid::now_v7();
        let row = sqlx::query!(
            "update projection_checkpoints
             set pinned_at = position, pinned_until = clock_timestamp() + $3::text::interval, pinned_by = $2
             where projection = $1 and state = 'live'
               and (pinned_until is null or pinned_until < clock_timestamp())
             returning generation, schema_name, position, event_count, digest, parked_revision",
            projection,
            holder,
            HOLD
        )
        .fetch_optional(pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        // Nobody parks or retries while it is pinned, so this belongs to the position.
        let mut connection = pool.acquire().await?;
        let standing =
            Standing::read(&mut connection, projection, row.generation, row.parked_revision).await?;
        drop(connection);
        Ok(Some(Self {
            renewal: tokio::spawn(renew(pool.clone(), holder)),
            pool: pool.clone(),
            holder,
            generation: row.generation,
            schema: row.schema_name,
            position: row.position,
            sentinel: Sentinel { count: row.event_count, digest: row.digest },
            standing,
        }))
    }

    /// Lets it go on. False: the pin had been lost, so what was read meanwhile proves nothing.
    pub async fn release(self) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "update projection_checkpoints
             set pinned_at = null, pinned_until = null, pinned_by = null
             where pinned_by = $1 and pinned_until > clock_timestamp() and position = pinned_at",
            self.holder
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(pool: PgPool, holder: Uuid) {
    loop {
        sleep(RENEW).await;
        // A renewal that fails is noticed when the pin is released.
        let _ = sqlx::query!(
            "update projection_checkpoints set pinned_until = clock_timestamp() + $2::text::interval
             where pinned_by = $1 and pinned_until > clock_timestamp()",
            holder,
            HOLD
        )
        .execute(&pool)
        .await;
    }
}
