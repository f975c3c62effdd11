use kernel::Position;
use sqlx::PgPool;
use uuid::Uuid;

use crate::ReadError;

/// Some of what is bound to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundWorks {
    /// (aggregate type, id), in the order of ids.
    pub works: Vec<(String, Uuid)>,
    /// So far, everything is in.
    pub position: Position,
}

/// The next works of an account after the id `after`.
///
/// # Errors
/// [`ReadError`] when the database cannot be asked or the read model was never built.
pub async fn bound_works(
    pool: &PgPool,
    account: Uuid,
    after: Uuid,
    limit: i64,
) -> Result<BoundWorks, ReadError> {
    let row = sqlx::query!(
        r#"select c.position as "position!", w.types as "types!", w.ids as "ids!"
           from read.authorship_checkpoint c
           cross join lateral (
               select coalesce(array_agg(x.aggregate_type order by x.aggregate_id), '{}') as types,
                      coalesce(array_agg(x.aggregate_id order by x.aggregate_id), '{}') as ids
               from (
                   select a.aggregate_type, a.aggregate_id from read.authorship a
                   where a.account_id = $1 and a.aggregate_id > $2
                   order by a.aggregate_id limit $3
               ) x
           ) w"#,
        account,
        after,
        limit
    )
    .fetch_optional(pool)
    .await?
    .ok_or(ReadError::NotBuilt("authorship"))?;
    Ok(BoundWorks { works: row.types.into_iter().zip(row.ids).collect(), position: row.position })
}
