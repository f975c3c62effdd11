use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::PgPool;
use uuid::Uuid;

use crate::ReadError;

/// What an auditor asks for; all of it must hold.
#[derive(Debug, Clone, Default)]
pub struct IndexFilter {
    pub aggregate_type: Option<String>,
    pub event_type: Option<String>,
    /// `Some(None)`: the system.
    pub actor: Option<Option<Uuid>>,
    /// When it happened, inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub until: Option<DateTime<Utc>>,
    pub correlation: Option<Uuid>,
    pub causation: Option<Uuid>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPage {
    pub positions: Vec<Position>,
    /// So far, everything is in …
    pub position: Position,
    /// … but for what is parked.
    pub parked: bool,
}

/// The first positions behind `after` that match.
///
/// # Errors
/// [`ReadError`] when the database cannot be asked or the read model was never built.
pub async fn indexed(
    pool: &PgPool,
    filter: &IndexFilter,
    after: Position,
    limit: i64,
) -> Result<IndexPage, ReadError> {
    // A plan for any filter would be one for none: it would walk the whole index.
    let mut transaction = pool.begin().await?;
    sqlx::query!("set local plan_cache_mode = force_custom_plan").execute(&mut *transaction).await?;
    let row = sqlx::query!(
        r#"select c.position as "position!",
                  exists (select from public.parked_events p where p.projection = 'audit_index'
                          and p.generation = c.generation) as "parked!", w.positions as "positions!"
           from read.audit_index_checkpoint c
           cross join lateral (
               select coalesce(array_agg(x.position order by x.position), '{}') as positions
               from (
                   select i.position from read.audit_index i
                   where i.position > $1 and i.position <= c.position
                     and ($2::text is null or i.aggregate_type = $2)
                     and ($3::text is null or i.type = $3)
                     and ($4::uuid is null or i.actor = $4)
                     and (not $5 or i.actor is null)
                     and ($6::timestamptz is null or i.occurred_at >= $6)
                     and ($7::timestamptz is null or i.occurred_at < $7)
                     and ($8::uuid is null or i.correlation_id = $8)
                     and ($9::uuid is null or i.causation_id = $9)
                   order by i.position limit $10
               ) x
           ) w"#,
        after,
        filter.aggregate_type,
        filter.event_type,
        filter.actor.flatten(),
        filter.actor == Some(None),
        filter.from,
        filter.until,
        filter.correlation,
        filter.causation,
        limit
    )
    .fetch_optional(&mut *transaction)
    .await?
    .ok_or(ReadError::NotBuilt("audit_index"))?;
    transaction.commit().await?;
    Ok(IndexPage { positions: row.positions, position: row.position, parked: row.parked })
}

/// Where the event with this id is; `None` when the read model does not know it (yet).
///
/// # Errors
/// [`ReadError`] when the database cannot be asked.
pub async fn position_of(pool: &PgPool, event_id: Uuid) -> Result<Option<Position>, ReadError> {
    let found = sqlx::query_scalar!(
        r#"select position as "position!" from read.audit_index where event_id = $1"#,
        event_id
    );
    Ok(found.fetch_optional(pool).await?)
}
