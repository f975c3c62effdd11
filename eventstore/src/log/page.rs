use futures::TryStreamExt;
use kernel::{Name, Position, RecordedEvent};
use serde_json::value::RawValue;
use sqlx::PgExecutor;

use crate::StoreError;

/// How much one page may hold.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit {
    pub events: i64,
    /// Payload and metadata bytes after which the page ends (the last event may pass it).
    pub bytes: usize,
}

impl PageLimit {
    /// What a rebuild reads: large enough to share round trips, small enough for 512 MiB.
    pub const REBUILD: Self = Self { events: 20_000, bytes: 32 << 20 };
    /// What a live reader takes at once.
    pub const TAIL: Self = Self { events: 2_000, bytes: 8 << 20 };
}

/// The events after `after`, in order, without gap. Needs no common snapshot with other pages:
/// what is committed at a position never changes.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked or the page would have a hole.
pub async fn read_page(
    db: impl PgExecutor<'_>,
    after: Position,
    limit: PageLimit,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let mut rows = sqlx::query_file!("src/log/sql/read_page.sql", after, limit.events).fetch(db);
    let mut page = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await? {
        let expected = after + 1 + page.len() as i64;
        if row.position != expected {
            return Err(StoreError::Internal(format!("the log has a hole at position {expected}")));
        }
        bytes += row.payload.len() + row.metadata.len();
        page.push(RecordedEvent {
            position: row.position,
            event_id: row.event_id,
            aggregate_type: name(row.aggregate_type)?,
            aggregate_id: row.aggregate_id,
            version: row.version,
            event_type: name(row.event_type)?,
            schema_version: row.schema_version,
            payload: raw(row.payload)?,
            metadata: raw(row.metadata)?,
            recorded_at: row.recorded_at,
        });
        if bytes >= limit.bytes {
            break;
        }
    }
    Ok(page)
}

pub(super) fn name(text: String) -> Result<Name, StoreError> {
    Name::parse(text).map_err(|error| StoreError::Internal(format!("stored name: {error}")))
}

pub(super) fn raw(text: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text).map_err(|_| StoreError::Internal("stored JSON cannot be read".into()))
}
