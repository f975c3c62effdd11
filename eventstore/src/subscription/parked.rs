use std::collections::HashSet;

use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::fold::Parked;
use crate::StoreError;

/// An event that has no effect on one key yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    pub projection: String,
    pub generation: i32,
    pub key: String,
    pub position: Position,
    pub event_id: Uuid,
    /// Why; `None` for an event that only queues behind another of its key.
    pub reason: Option<String>,
    pub attempts: i32,
    pub parked_at: DateTime<Utc>,
}

/// The parked events of one projection or of all, by key and position.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn parked_events(
    db: impl PgExecutor<'_>,
    projection: Option<&str>,
) -> Result<Vec<ParkedEvent>, StoreError> {
    Ok(sqlx::query_as!(
        ParkedEvent,
        "select projection, generation, key, position, event_id, reason, attempts, parked_at
         from parked_events where $1::text is null or projection = $1
         order by projection, generation, key, position",
        projection
    )
    .fetch_all(db)
    .await?)
}

/// Which of these keys are parked in the live generation: an answer that shows them says
/// `stale: true`, and a `Min-Position` on it is refused.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn stale_keys(
    db: impl PgExecutor<'_>,
    projection: &str,
    keys: &[String],
) -> Result<HashSet<String>, StoreError> {
    let rows = sqlx::query_scalar!(
        "select distinct p.key from parked_events p
         join projection_checkpoints c using (projection, generation)
         where p.projection = $1 and c.state = 'live' and p.key = any($2)",
        projection,
        keys
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Whether any of these keys, each named after its projection, is parked in a live generation: for
/// answers that are made from several read models.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn any_stale(db: impl PgExecutor<'_>, keys: &[(&str, String)]) -> Result<bool, StoreError> {
    let (projections, keys): (Vec<String>, Vec<String>) =
        keys.iter().map(|(projection, key)| ((*projection).to_owned(), key.clone())).unzip();
    Ok(sqlx::query_scalar!(
        r#"select exists (
               select from parked_events p
               join projection_checkpoints c using (projection, generation)
               join unnest($1::text[], $2::text[]) as w (projection, key)
                 on w.projection = p.projection and w.key = p.key
               where c.state = 'live'
           ) as "stale!""#,
        &projections,
        &keys
    )
    .fetch_one(db)
    .await?)
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    projection: &str,
    generation: i32,
    parked: &[Parked],
) -> Result<(), sqlx::Error> {
    let keys: Vec<String> = parked.iter().map(|event| event.key.clone()).collect();
    let positions: Vec<i64> = parked.iter().map(|event| event.position).collect();
    let ids: Vec<Uuid> = parked.iter().map(|event| event.event_id).collect();
    let reasons: Vec<Option<String>> = parked.iter().map(|event| event.reason.clone()).collect();
    sqlx::query!(
        "insert into public.parked_events (projection, generation, key, position, event_id, reason)
         select $1, $2, p.key, p.position, p.event_id, p.reason
         from unnest($3::text[], $4::bigint[], $5::uuid[], $6::text[]) as p (key, position, event_id, reason)",
        projection,
        generation,
        &keys,
        &positions,
        &ids,
        &reasons as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(())
}
