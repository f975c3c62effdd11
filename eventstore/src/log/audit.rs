use chrono::{DateTime, Utc};
use kernel::{Position, Version};
use serde_json::value::RawValue;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::page::raw;
use crate::StoreError;

/// Positions one request may scan for what the log has no index for: each would cost every append. Too high: a rare filter holds a connection for seconds; too low: it takes
/// many requests.
pub const AUDIT_WINDOW: i64 = 10_000;

/// What an auditor asks for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Exclusive.
    pub after: Position,
    pub limit: i64,
    pub aggregate_type: Option<String>,
    pub aggregate_id: Option<Uuid>,
    pub event_type: Option<String>,
    /// Account id or `system`.
    pub actor: Option<String>,
    /// When it happened (`occurred_at`), inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub until: Option<DateTime<Utc>>,
    pub correlation: Option<Uuid>,
    pub causation: Option<Uuid>,
}

impl AuditFilter {
    /// Whether it asks for more than where and which aggregate.
    #[must_use]
    pub const fn is_selective(&self) -> bool {
        self.event_type.is_some()
            || self.actor.is_some()
            || self.from.is_some()
            || self.until.is_some()
            || self.correlation.is_some()
            || self.causation.is_some()
    }
}

/// An event as it is stored: envelopes sealed, without the salt.
#[derive(Debug)]
pub struct AuditEvent {
    pub position: Position,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub version: Version,
    pub event_type: String,
    pub schema_version: i32,
    pub payload: Box<RawValue>,
    pub metadata: Box<RawValue>,
    pub payload_hash: Vec<u8>,
    pub recorded_at: DateTime<Utc>,
}

/// A page, and how far the scan got.
#[derive(Debug)]
pub struct AuditPage {
    pub events: Vec<AuditEvent>,
    /// Go on after this position.
    pub scanned_to: Position,
    pub has_more: bool,
    pub head: Position,
}

struct Line {
    head: Position,
    position: Option<Position>,
    event_id: Option<Uuid>,
    aggregate_type: Option<String>,
    aggregate_id: Option<Uuid>,
    version: Option<Version>,
    event_type: Option<String>,
    schema_version: Option<i32>,
    payload: Option<String>,
    metadata: Option<String>,
    payload_hash: Option<Vec<u8>>,
    recorded_at: Option<DateTime<Utc>>,
}

/// The events that match, in the order of the log; one statement.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn audit_events(db: impl PgExecutor<'_>, filter: &AuditFilter) -> Result<AuditPage, StoreError> {
    let one_more = filter.limit + 1;
    let unfiltered = filter.aggregate_type.is_none() && !filter.is_selective();
    let window = if unfiltered { one_more } else { AUDIT_WINDOW };
    let lines = match filter.aggregate_id {
        Some(id) => {
            sqlx::query_file_as!(
                Line,
                "src/log/sql/audit_stream.sql",
                id,
                filter.aggregate_type,
                filter.after,
                filter.event_type,
                filter.actor,
                one_more,
                filter.from,
                filter.until,
                filter.correlation.map(|id| id.to_string()),
                filter.causation.map(|id| id.to_string())
            )
            .fetch_all(db)
            .await?
        }
        None => {
            sqlx::query_file_as!(
                Line,
                "src/log/sql/audit_scan.sql",
                filter.after,
                window,
                filter.aggregate_type,
                filter.event_type,
                filter.actor,
                one_more,
                filter.from,
                filter.until,
                filter.correlation.map(|id| id.to_string()),
                filter.causation.map(|id| id.to_string())
            )
            .fetch_all(db)
            .await?
        }
    };
    let head = lines.first().map_or(0, |line| line.head);
    let mut events = lines.into_iter().filter_map(Line::event).collect::<Result<Vec<_>, _>>()?;
    let limit = usize::try_from(filter.limit).unwrap_or_default();
    let cut = events.len() > limit;
    events.truncate(limit);
    let end =
        if filter.aggregate_id.is_some() { head } else { head.min(filter.after.saturating_add(window)) };
    let scanned_to = match events.last() {
        Some(last) if cut => last.position,
        _ => end.max(filter.after),
    };
    Ok(AuditPage { events, scanned_to, has_more: cut || scanned_to < head, head })
}

/// The events at these positions, in order; one that is not there is left out.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn audit_events_at(
    db: impl PgExecutor<'_>,
    positions: &[Position],
) -> Result<Vec<AuditEvent>, StoreError> {
    // The bounds keep this to the partitions that hold them.
    let (Some(first), Some(last)) = (positions.iter().min(), positions.iter().max()) else {
        return Ok(Vec::new());
    };
    let lines = sqlx::query_as!(
        Line,
        r#"select $3::bigint as "head!", position as "position?", event_id as "event_id?",
                  aggregate_type as "aggregate_type?", aggregate_id as "aggregate_id?",
                  version as "version?", type as "event_type?", schema_version as "schema_version?",
                  payload::text as "payload?", metadata::text as "metadata?",
                  payload_hash as "payload_hash?", recorded_at as "recorded_at?"
           from events where position = any($1) and position between $2 and $3 order by position"#,
        positions,
        first,
        last
    )
    .fetch_all(db)
    .await?;
    lines.into_iter().filter_map(Line::event).collect()
}

impl Line {
    /// `None` for the line that only carries the head.
    fn event(self) -> Option<Result<AuditEvent, StoreError>> {
        let (payload, metadata) = (raw(self.payload?), raw(self.metadata?));
        let texts = payload.and_then(|payload| Ok((payload, metadata?)));
        let (payload, metadata) = match texts {
            Ok(texts) => texts,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(AuditEvent {
            position: self.position?,
            event_id: self.event_id?,
            aggregate_type: self.aggregate_type?,
            aggregate_id: self.aggregate_id?,
            version: self.version?,
            event_type: self.event_type?,
            schema_version: self.schema_version?,
            payload,
            metadata,
            payload_hash: self.payload_hash?,
            recorded_at: self.recorded_at?,
        }))
    }
}
