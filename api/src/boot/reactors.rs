use std::sync::Arc;

use commands::{
    Executor,
    reactor::{ReactorRunner, ReactorStats},
    weave::{UnbindWorks, Works},
};
use eventstore::append::Appender;
use kernel::Position;
use projections::weave::authorship::bound_works;
use sqlx::PgPool;
use uuid::Uuid;

use super::parts::Stops;

/// A reactor's name and where it is.
pub type Reacting = (&'static str, Arc<ReactorStats>);

/// The read model that says what is bound to whom. Not a replica: a reactor is part of the
/// writing side.
struct Authorship(PgPool);

impl Works for Authorship {
    async fn next(
        &self,
        account: Uuid,
        after: Uuid,
        limit: usize,
    ) -> Result<(Position, Vec<(String, Uuid)>), String> {
        let found = bound_works(&self.0, account, after, limit as i64).await;
        found.map(|found| (found.position, found.works)).map_err(|error| error.to_string())
    }
}

/// Begins all reactors.
pub(super) fn begin(executor: &Executor, appender: &Appender, pool: &PgPool, stops: &Stops) -> Vec<Reacting> {
    let unbind =
        ReactorRunner::new(UnbindWorks(Authorship(pool.clone())), executor.clone(), appender.committed());
    let reacting = vec![("unbind-works", unbind.stats())];
    stops.tasks.spawn(unbind.run(stops.background.clone()));
    reacting
}
