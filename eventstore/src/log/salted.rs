use futures::TryStreamExt;
use kernel::{Position, RecordedEvent};
use sqlx::PgExecutor;

use super::{
    PageLimit,
    page::{name, raw},
};
use crate::StoreError;

/// An event with its payload's hash, and what that was taken over besides.
pub(crate) struct Salted {
    pub event: RecordedEvent,
    /// `None` once a field was redacted.
    pub salt: Option<Vec<u8>>,
    pub payload_hash: Vec<u8>,
}

/// A page for the relay.
pub(crate) struct SaltedPage {
    pub events: Vec<Salted>,
    /// It ended because it was full: what comes next may belong to the last event's append. Else
    /// it ended at the head, where an append always ends.
    pub full: bool,
}

/// As [`read_page`](super::read_page), for the relay: with the salt an event can be put back into a
/// log under the hash it had.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked or the page would have a hole.
pub(crate) async fn read_salted_page(
    db: impl PgExecutor<'_>,
    after: Position,
    limit: PageLimit,
) -> Result<SaltedPage, StoreError> {
    let mut rows = sqlx::query_file!("src/log/sql/read_salted_page.sql", after, limit.events).fetch(db);
    let mut page: Vec<Salted> = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await? {
        let expected = after + 1 + page.len() as i64;
        if row.position != expected {
            return Err(StoreError::Internal(format!("the log has a hole at position {expected}")));
        }
        bytes += row.payload.len() + row.metadata.len();
        let event = RecordedEvent {
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
        };
        page.push(Salted { event, salt: row.salt, payload_hash: row.payload_hash });
        if bytes >= limit.bytes {
            break;
        }
    }
    let full = bytes >= limit.bytes || page.len() as i64 >= limit.events;
    Ok(SaltedPage { events: page, full })
}
