use std::time::Duration;

use sqlx::PgPool;
use tokio::time::Instant;
use uuid::Uuid;

use crate::StoreError;

/// Who seals, so that others need not try.
pub(super) struct Lease {
    owner: Uuid,
    length: Duration,
    renew_at: Option<Instant>,
}

impl Lease {
    pub fn new(length: Duration) -> Self {
        Self { owner: Uuid::new_v4(), length, renew_at: None }
    }

    /// Whether the next [`Lease::hold`] asks the database.
    pub fn is_due(&self) -> bool {
        self.renew_at.is_none_or(|at| Instant::now() >= at)
    }

    /// Takes or renews it; false while another has it.
    pub async fn hold(&mut self, pool: &PgPool) -> Result<bool, StoreError> {
        if !self.is_due() {
            return Ok(true);
        }
        let asked = Instant::now();
        let held = sqlx::query!(
            "update audit_lease
             set owner = $1, until = clock_timestamp() + make_interval(secs => $2::float8)
             where owner is null or owner = $1 or until < clock_timestamp()",
            self.owner,
            self.length.as_secs_f64()
        )
        .execute(pool)
        .await?
        .rows_affected()
            == 1;
        self.renew_at = held.then(|| asked + self.length / 3);
        Ok(held)
    }

    /// Gives it back, so that others need not wait for its end.
    pub async fn release(&mut self, pool: &PgPool) -> Result<(), StoreError> {
        self.renew_at = None;
        sqlx::query!("update audit_lease set owner = null, until = null where owner = $1", self.owner)
            .execute(pool)
            .await?;
        Ok(())
    }
}
