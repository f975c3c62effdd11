use kernel::{Projection, RecordedEvent, Undecodable};
use uuid::Uuid;

use crate::weave::node::{NODE_EVENT_TYPES, NodeChange, NodeFact, NodeFields};

/// The read model `node_map`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeMap;

impl Projection for NodeMap {
    type Key = Uuid;
    type Row = NodeFields;
    type Event = NodeChange;

    const NAME: &'static str = "node_map";
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
        row: Option<NodeFields>,
        event: &NodeChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<NodeFields>, Undecodable> {
        // A removed node has left the map; that its creator leaves it as well changes nothing here.
        if row.is_none() && matches!(event.fact, NodeFact::CreatorUnbound) {
            return Ok(None);
        }
        let fields = NodeFields::after(row, event, recorded)?;
        Ok(if matches!(event.fact, NodeFact::Removed(_)) { None } else { Some(fields) })
    }
}
