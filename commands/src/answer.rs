use kernel::{Name, Position, Version};
use uuid::Uuid;

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub aggregate_type: Name,
    pub aggregate_id: Uuid,
    /// The aggregate's version after the command.
    pub version: Version,
    /// Position of the command's last event; without events, of the aggregate's last event.
    pub position: Position,
    /// In log order; empty when everything was so already.
    pub events: Vec<AnswerEvent>,
    /// The answer of an earlier request with the same idempotency key.
    pub replayed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerEvent {
    pub event_id: Uuid,
    pub event_type: String,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub version: Version,
    pub position: Position,
}
