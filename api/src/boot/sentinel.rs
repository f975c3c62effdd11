use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eventstore::subscription::{SentinelReport, SentinelWatch};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// After the start, so that a process that is needed serves first.
const FIRST: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(60);

/// What the silent-gap sentinel last found: lag shows lateness, not loss.
#[derive(Clone, Default)]
pub struct Sentinels(Arc<Mutex<Vec<SentinelReport>>>);

impl Sentinels {
    /// One report per read model; empty before the first comparison.
    #[must_use]
    pub fn snapshot(&self) -> Vec<SentinelReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Compares for ever; each time only what was appended since.
    pub(super) async fn run(self, pool: PgPool, stop: CancellationToken) {
        let registry = projections::weave::registry();
        let mut watch = SentinelWatch::default();
        let mut pause = FIRST;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => pause = EVERY,
            }
            match watch.check(&pool, &registry).await {
                Ok(reports) => {
                    for one in reports.iter().filter(|one| !one.agrees()) {
                        let missing = one.log.count - one.read_model.count;
                        tracing::error!(
                            projection = one.projection,
                            generation = one.generation,
                            missing,
                            "a read model did not get the events that the log has for it"
                        );
                    }
                    *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reports;
                }
                // The database's absence has alarms of its own.
                Err(error) => tracing::debug!(%error, "the sentinel could not compare"),
            }
        }
    }
}
