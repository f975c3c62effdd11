use std::collections::HashMap;

use kernel::{Name, Position, RecordedEvent, Version};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::page::{name, raw};
use crate::StoreError;

/// A statement's row as an event; each statement has a row type of its own.
macro_rules! recorded {
    ($row:ident) => {
        Ok(RecordedEvent {
            position: $row.position,
            event_id: $row.event_id,
            aggregate_type: name($row.aggregate_type)?,
            aggregate_id: $row.aggregate_id,
            version: $row.version,
            event_type: name($row.event_type)?,
            schema_version: $row.schema_version,
            payload: raw($row.payload)?,
            metadata: raw($row.metadata)?,
            recorded_at: $row.recorded_at,
        })
    };
}

/// The events of one aggregate after a version, oldest first.
#[derive(Debug, Clone)]
pub struct LoadedStream {
    pub events: Vec<RecordedEvent>,
}

/// What the streams table says of one aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamVersion {
    pub aggregate_type: Name,
    pub version: Version,
    pub last_position: Position,
}

/// Reads an aggregate's events with versions above `after`; none when it does not exist.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn load_stream(
    db: impl PgExecutor<'_>,
    aggregate_id: Uuid,
    after: Version,
) -> Result<LoadedStream, StoreError> {
    let rows = sqlx::query_file!("src/log/sql/load_stream.sql", aggregate_id, after).fetch_all(db).await?;
    let events = rows.into_iter().map(|row| recorded!(row)).collect::<Result<_, StoreError>>()?;
    Ok(LoadedStream { events })
}

/// Every event of some aggregates: by aggregate, each one's oldest first.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn load_streams(db: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<RecordedEvent>, StoreError> {
    let rows = sqlx::query_file!("src/log/sql/load_streams.sql", ids).fetch_all(db).await?;
    rows.into_iter().map(|row| recorded!(row)).collect()
}

/// The present versions of some aggregates; those that do not exist are missing in the answer.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn stream_versions(
    db: impl PgExecutor<'_>,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, StreamVersion>, StoreError> {
    let rows = sqlx::query!(
        "select aggregate_id, aggregate_type, version, last_position
         from streams where aggregate_id = any($1)",
        ids
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let aggregate_type = name(row.aggregate_type)?;
            let stream =
                StreamVersion { aggregate_type, version: row.version, last_position: row.last_position };
            Ok((row.aggregate_id, stream))
        })
        .collect()
}
