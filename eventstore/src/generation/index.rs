use sqlx::{Executor, PgPool};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{GenerationError, Progress, progress::Report};
use crate::{StoreError, subscription::batch::Target};

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
    let mut statements: Vec<(&'static str, String, &'static str)> = Vec::new();
    for target in targets {
        let indexes = target.model.indexes().split(';').map(str::trim).filter(|sql| !sql.is_empty());
        statements.extend(indexes.map(|sql| (target.model.name(), target.schema.clone(), sql)));
    }
    // Inverted ones take longest: begun last, one core would wait for them.
    statements.sort_by_key(|(_, _, sql)| !sql.contains("using gin"));
    let of = statements.len();
    // Dropped with what still runs when one fails.
    let mut running = JoinSet::new();
    for (number, (projection, schema, sql)) in statements.into_iter().enumerate() {
        if running.len() >= AT_ONCE {
            made(running.join_next().await)?;
        }
        if stop.is_cancelled() {
            return Err(GenerationError::Interrupted);
        }
        report(Progress::Indexing { projection, number: number + 1, of });
        running.spawn(one(owner.clone(), schema, sql));
    }
    while let Some(done) = running.join_next().await {
        made(Some(done))?;
    }
    Ok(())
}

type Done = Result<Result<(), sqlx::Error>, JoinError>;

fn made(done: Option<Done>) -> Result<(), GenerationError> {
    match done {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(_)) => Err(StoreError::Internal("making an index panicked".into()).into()),
    }
}

async fn one(owner: PgPool, schema: String, sql: &'static str) -> Result<(), sqlx::Error> {
    let mut transaction = owner.begin().await?;
    let sql = format!("{MEMORY}; set local search_path to {schema}, public; {sql}");
    transaction.execute(&*sql).await?;
    transaction.commit().await
}
