use std::time::Duration;

use sqlx::PgPool;

use super::{Job, JobFuture, Lease};
use crate::generation::{ROLLBACK_WINDOW, drop_expired};

/// Drops generations of read models to which nobody goes back any more. Needs the owner's rights.
pub struct DropGenerations {
    owner: PgPool,
    window: Duration,
}

impl DropGenerations {
    #[must_use]
    pub const fn new(owner: PgPool) -> Self {
        Self { owner, window: ROLLBACK_WINDOW }
    }

    /// Another time than a day to go back.
    #[must_use]
    pub const fn after(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }
}

impl Job for DropGenerations {
    fn name(&self) -> &'static str {
        "generations"
    }

    fn about(&self) -> &'static str {
        "drops read models that were replaced more than a day ago"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn work<'a>(&'a self, _: &'a Lease) -> JobFuture<'a> {
        Box::pin(async move {
            // Two at once do no harm: each drop is a transaction that begins with its row.
            let dropped = drop_expired(&self.owner, self.window).await?;
            let names: Vec<String> =
                dropped.iter().map(|(name, number)| format!("{name}_g{number}")).collect();
            Ok(if names.is_empty() { "none was old enough".to_owned() } else { names.join(", ") })
        })
    }
}
