use std::sync::Arc;

use commands::{
    Executor,
    reactor::{ReactorRunner, ReactorStats},
    weave::UnbindWorks,
};
use eventstore::append::Appender;
use lifecycle::forget::{BoundTo, ForgetDeps, Requests, Worker, Workflow};
use sqlx::PgPool;

use super::parts::Stops;

/// A reactor's name and where it is.
pub type Reacting = (&'static str, Arc<ReactorStats>);

/// Begins all reactors, and the work on requests to forget.
pub(super) fn begin(
    executor: &Executor,
    appender: &Appender,
    pool: &PgPool,
    forget: ForgetDeps,
    stops: &Stops,
) -> Vec<Reacting> {
    let unbind =
        ReactorRunner::new(UnbindWorks(BoundTo(pool.clone())), executor.clone(), appender.committed());
    let requests = Requests { pool: pool.clone(), keys: Arc::clone(&forget.keys) };
    let requests = ReactorRunner::new(requests, executor.clone(), appender.committed());
    let reacting = vec![("unbind-works", unbind.stats()), ("forget-requests", requests.stats())];
    stops.tasks.spawn(unbind.run(stops.background.clone()));
    stops.tasks.spawn(requests.run(stops.background.clone()));
    stops.tasks.spawn(Worker::new(Workflow::new(forget)).run(stops.background.clone()));
    reacting
}
