use chrono::{DateTime, TimeDelta, Utc};
use eventstore::audit::ProvenEvent;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Answer, Failure, terminal::count};

/// Ids are made just before the append, by another clock than the log's; a queue or a slow network
/// may lie between.
const BEFORE: TimeDelta = TimeDelta::minutes(2);
const AFTER: TimeDelta = TimeDelta::minutes(10);

/// The position of an event that was named by position or id.
pub async fn position(pool: &PgPool, event: &str) -> Result<i64, Failure> {
    if let Ok(position) = event.parse::<i64>() {
        return Ok(position);
    }
    let id: Uuid =
        event.parse().map_err(|_| Failure::could_not_run("name an event by its position or its id"))?;
    let head = sqlx::query_scalar!("select position from log_head").fetch_one(pool).await?;
    // There is no index by id: it would cost every append. The id tells about when it was.
    if let Some(at) = made_at(id) {
        let from = first_at(pool, at - BEFORE, head).await?;
        let to = first_at(pool, at + AFTER, head).await?;
        if let Some(found) = within(pool, id, from, to).await? {
            return Ok(found);
        }
    }
    let found = within(pool, id, 1, head).await?;
    found.ok_or_else(|| Failure::refused(format!("the log has no event {id}")))
}

fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

async fn within(pool: &PgPool, id: Uuid, from: i64, to: i64) -> Result<Option<i64>, Failure> {
    let found = sqlx::query_scalar!(
        "select position from events where event_id = $1 and position between $2 and $3",
        id,
        from,
        to
    );
    Ok(found.fetch_optional(pool).await?)
}

/// The first position recorded at a time or later: times never fall with positions.
async fn first_at(pool: &PgPool, at: DateTime<Utc>, head: i64) -> Result<i64, Failure> {
    let (mut low, mut high) = (1, head + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let there = sqlx::query_scalar!("select recorded_at from events where position = $1", middle)
            .fetch_optional(pool)
            .await?;
        if there.is_some_and(|there| there < at) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// What a proof says of an event.
pub fn told(answer: Answer, event: &ProvenEvent) -> Answer {
    answer
        .line(format!("event       {} {}", event.event_type, event.event_id))
        .line(format!("position    {} of epoch {}", count(event.position), event.epoch))
        .line(format!(
            "aggregate   {}/{} version {}",
            event.aggregate_type, event.aggregate_id, event.version
        ))
        .line(format!("recorded    {}", event.recorded_at))
}
