use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::{Executor, PgPool};

use super::schemas;
use crate::{
    StoreError,
    generation::{GenerationError, claim::Claim},
};

/// One read model as of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastReadModel {
    pub projection: String,
    pub position: Position,
    /// Where its views are.
    pub views: String,
    /// False while it is built, or when that was interrupted.
    pub ready: bool,
    pub filled_to: Position,
    pub bytes: i64,
    pub created_at: DateTime<Utc>,
}

/// All there are.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn past_read_models(owner: &PgPool) -> Result<Vec<PastReadModel>, StoreError> {
    let rows = sqlx::query!(
        r#"select projection, position, filled_to, created_at, ready_at is not null as "ready!",
                  (select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where n.nspname = schema_name and c.relkind = 'r') as "bytes!"
           from past_read_models order by projection, position"#
    )
    .fetch_all(owner)
    .await?;
    let past = rows.into_iter().map(|row| PastReadModel {
        views: schemas(&row.projection, row.position).1,
        projection: row.projection,
        position: row.position,
        ready: row.ready,
        filled_to: row.filled_to,
        bytes: row.bytes,
        created_at: row.created_at,
    });
    Ok(past.collect())
}

/// Drops one; false when there is none.
///
/// # Errors
/// [`GenerationError::Busy`] while somebody builds it.
pub async fn drop_past(
    owner: &PgPool,
    projection: &str,
    position: Position,
) -> Result<bool, GenerationError> {
    let _claim = Claim::take(owner, &[&claimed(projection)]).await?;
    drop_claimed(owner, projection, position).await
}

/// What a build or a drop claims: rebuilds of the living one go on.
pub(super) fn claimed(projection: &str) -> String {
    format!("{projection}.past")
}

pub(super) async fn drop_claimed(
    owner: &PgPool,
    projection: &str,
    position: Position,
) -> Result<bool, GenerationError> {
    let (schema, views) = schemas(projection, position);
    let mut transaction = owner.begin().await?;
    transaction.execute(LOCK).await?;
    let row = sqlx::query!(
        "delete from past_read_models where projection = $1 and position = $2",
        projection,
        position
    )
    .execute(&mut *transaction)
    .await?;
    if row.rows_affected() == 0 {
        return Ok(false);
    }
    // The names are those of a row, made of a checked projection's name and a number.
    transaction.execute(&*format!("drop schema if exists {schema} cascade")).await?;
    let others = sqlx::query_scalar!(
        r#"select count(*) as "others!" from past_read_models where position = $1"#,
        position
    )
    .fetch_one(&mut *transaction)
    .await?;
    if others == 0 {
        transaction.execute(&*format!("drop schema if exists {views} cascade")).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// Several read models share the schema of their position's views.
pub(super) const LOCK: &str = "select pg_advisory_xact_lock(hashtextextended('weltgewebe.past', 0))";
