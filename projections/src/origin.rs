use chrono::{DateTime, Utc};
use kernel::{Actor, RecordedEvent, Undecodable};
use serde::Deserialize;
use uuid::Uuid;

/// What rows keep of an event's metadata. Reading only this much is half of a rebuild's decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Origin {
    pub actor: Actor,
    /// The command's time; rows never hold the database's.
    pub occurred_at: DateTime<Utc>,
}

impl Origin {
    /// # Errors
    /// [`Undecodable`] when one of the two is missing or has another type.
    pub fn of(event: &RecordedEvent) -> Result<Self, Undecodable> {
        serde_json::from_str(event.metadata.get())
            .map_err(|error| Undecodable::from_json(&event.event_type, &error))
    }

    /// `None` when no person did it.
    #[must_use]
    pub const fn account(&self) -> Option<Uuid> {
        match self.actor {
            Actor::Account(id) => Some(id),
            Actor::System => None,
        }
    }
}
