use std::collections::HashSet;

use eventstore::subscription::{Change, PostgresProjection};
use kernel::Projection;
use sqlx::{Executor, PgPool};
use uuid::Uuid;

use super::{NodeSearch, PostgresSearch, SearchRow};
use crate::{
    ReadError,
    search::{EngineFuture, Line, Refused, SearchIndex},
};

/// The runtime of the read models is what feeds a live system: its transaction moves the
/// checkpoint, and a line that is refused parks its key. This is for what has no log behind it.
impl SearchIndex for PostgresSearch {
    fn index<'a>(&'a self, generation: i32, lines: &'a [Line]) -> EngineFuture<'a, Vec<Result<(), Refused>>> {
        Box::pin(index(self.primary(), generation, lines))
    }
}

async fn index(
    pool: &PgPool,
    generation: i32,
    lines: &[Line],
) -> Result<Vec<Result<(), Refused>>, ReadError> {
    let mut transaction = pool.begin().await?;
    let path = format!("set local search_path to {}_g{generation}, public", NodeSearch::NAME);
    transaction.execute(&*path).await?;
    let ids: Vec<Uuid> = lines.iter().map(Line::id).collect();
    let search = NodeSearch::default();
    let mut present: HashSet<Uuid> = search.load(&mut transaction, &ids).await?.into_keys().collect();
    let mut answers = Vec::with_capacity(lines.len());
    for line in lines {
        let row = match line {
            Line::Put { node, .. } => Some(SearchRow::Node(node.clone())),
            Line::Remove(_) => None,
        };
        let stays = row.is_some();
        let change = Change { key: line.id(), existed: present.contains(&line.id()), row };
        transaction.execute("savepoint line").await?;
        match search.save(&mut transaction, &[change]).await {
            Ok(()) => {
                if stays {
                    present.insert(line.id());
                } else {
                    present.remove(&line.id());
                }
                answers.push(Ok(()));
            }
            Err(error) => {
                let refused = refused(&error).ok_or(error)?;
                transaction.execute("rollback to savepoint line").await?;
                answers.push(Err(refused));
            }
        }
        transaction.execute("release savepoint line").await?;
    }
    transaction.commit().await?;
    Ok(answers)
}

/// When the data and not the circumstances are at fault.
fn refused(error: &sqlx::Error) -> Option<Refused> {
    let code = error.as_database_error()?.code()?;
    (code.starts_with("22") || code.starts_with("23")).then(|| Refused(format!("sqlstate {code}")))
}
