use futures::{StreamExt, TryStreamExt, stream};
use sqlx::{Executor, PgPool};
use tokio_util::sync::CancellationToken;

use super::{GenerationError, Progress, progress::Report};
use crate::subscription::batch::Target;

/// Statements at once: one per core that a small server has.
const AT_ONCE: usize = 2;

/// For the session of one statement. A sort or an inverted index that fits into this is written
/// once.
const MEMORY: &str = "set local maintenance_work_mem = '192MB'; set local lock_timeout = '10s'; \
                      set local synchronous_commit = off";

/// Makes the indexes that queries need, of generations that are filled and that nobody reads yet.
/// Each is a transaction of its own and made only if it is not there: after a kill the next run
/// fills on and makes what is missing. A generation is switched only after this, so the live one
/// always has all of them.
pub(super) async fn make(
    owner: &PgPool,
    targets: &[Target],
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<(), GenerationError> {
    let mut statements: Vec<(&Target, &str)> = targets
        .iter()
        .flat_map(|target| target.model.indexes().split(';').map(move |sql| (target, sql.trim())))
        .filter(|(_, sql)| !sql.is_empty())
        .collect();
    // Inverted ones take longest: begun last, one core would wait for them.
    statements.sort_by_key(|(_, sql)| !sql.contains("using gin"));
    let of = statements.len();
    let made = stream::iter(statements.into_iter().enumerate().map(|(number, (target, sql))| async move {
        if stop.is_cancelled() {
            return Err(GenerationError::Interrupted);
        }
        report(Progress::Indexing { projection: target.model.name(), number: number + 1, of });
        one(owner, &target.schema, sql).await.map_err(GenerationError::from)
    }));
    made.buffer_unordered(AT_ONCE).try_collect::<()>().await
}

async fn one(owner: &PgPool, schema: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut transaction = owner.begin().await?;
    let sql = format!("{MEMORY}; set local search_path to {schema}, public; {sql}");
    transaction.execute(&*sql).await?;
    transaction.commit().await
}
