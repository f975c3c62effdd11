use chrono::{DateTime, Utc};
use kernel::{Actor, Metadata, Position, Projection, RecordedEvent, Undecodable};
use uuid::Uuid;

/// The read model `audit_index`.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditIndex;

/// What an event is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub event_type: String,
    pub actor: Option<Uuid>,
    pub occurred_at: DateTime<Utc>,
    pub correlation_id: Uuid,
    pub causation_id: Uuid,
}

impl Projection for AuditIndex {
    type Key = Position;
    type Row = Indexed;
    /// The payload is none of its business.
    type Event = Metadata;

    const NAME: &'static str = "audit_index";
    /// Every type there is or will be.
    const EVENT_TYPES: &'static [&'static str] = &[];

    fn decode(&self, event: &RecordedEvent) -> Result<Metadata, Undecodable> {
        event.metadata()
    }

    fn keys(&self, _: &Metadata, recorded: &RecordedEvent) -> Vec<Position> {
        vec![recorded.position]
    }

    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<Position> {
        vec![recorded.position]
    }

    fn fold(
        &self,
        _: &Position,
        _: Option<Indexed>,
        metadata: &Metadata,
        recorded: &RecordedEvent,
    ) -> Result<Option<Indexed>, Undecodable> {
        Ok(Some(Indexed {
            event_id: recorded.event_id,
            aggregate_type: recorded.aggregate_type.to_string(),
            aggregate_id: recorded.aggregate_id,
            event_type: recorded.event_type.to_string(),
            actor: match metadata.actor {
                Actor::Account(id) => Some(id),
                Actor::System => None,
            },
            occurred_at: metadata.occurred_at,
            correlation_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
        }))
    }
}
