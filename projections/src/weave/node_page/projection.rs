use chrono::{DateTime, Utc};
use kernel::{Name, Position, Projection, RecordedEvent, Undecodable, Version};
use uuid::Uuid;

use crate::weave::node::{NODE_EVENT_TYPES, NodeChange, NodeFields};

/// The read model `node_page`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodePage;

/// A row between `load` and `save`: the history so far stays where it is, only what is new
/// is carried.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePageRow {
    pub fields: NodeFields,
    pub happened: Vec<Happened>,
}

/// An entry of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    pub version: Version,
    pub position: Position,
    pub at: DateTime<Utc>,
    pub event_type: Name,
    /// `None` when no person did it.
    pub actor: Option<Uuid>,
}

impl Projection for NodePage {
    type Key = Uuid;
    type Row = NodePageRow;
    type Event = NodeChange;

    const NAME: &'static str = "node_page";
    const EVENT_TYPES: &'static [&'static str] = NODE_EVENT_TYPES;

    fn decode(&self, event: &RecordedEvent) -> Result<NodeChange, Undecodable> {
        NodeChange::decode(event)
    }

    fn keys(&self, _: &NodeChange, recorded: &RecordedEvent) -> Vec<Uuid> {
        vec![recorded.aggregate_id]
    }

    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<Uuid> {
        vec![recorded.aggregate_id]
    }

    fn fold(
        &self,
        _: &Uuid,
        row: Option<NodePageRow>,
        event: &NodeChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<NodePageRow>, Undecodable> {
        let (fields, mut happened) = match row {
            Some(row) => (Some(row.fields), row.happened),
            None => (None, Vec::new()),
        };
        let fields = NodeFields::after(fields, event, recorded)?;
        happened.push(Happened {
            version: recorded.version,
            position: recorded.position,
            at: event.origin.occurred_at,
            event_type: recorded.event_type.clone(),
            actor: event.origin.account(),
        });
        Ok(Some(NodePageRow { fields, happened }))
    }
}
