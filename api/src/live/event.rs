use bytes::Bytes;
use kernel::{Name, Position};
use projections::live::{About, Audience};
use uuid::Uuid;

/// One event as listeners get it: written once, shared by all of them.
#[derive(Debug)]
pub struct LiveEvent {
    pub position: Position,
    pub aggregate_type: Name,
    pub aggregate_id: Uuid,
    pub event_type: Name,
    pub about: About,
    /// Decided by the event's type and by what it is about.
    pub audience: Audience,
    /// Whoever did it; for "my own events", never shown.
    pub actor: Option<Uuid>,
    /// The whole server-sent event.
    pub frame: Bytes,
    /// Where in the frame the JSON document is.
    pub(super) json: (usize, usize),
}

impl LiveEvent {
    /// The document alone.
    #[must_use]
    pub fn json(&self) -> Bytes {
        self.frame.slice(self.json.0..self.json.1)
    }
}
