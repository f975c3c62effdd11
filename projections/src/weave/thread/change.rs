use domain::weave::{
    account::AccountLeft,
    conversation::{ConversationKind, conversation_id},
    message::MessagePosted,
    node::{NodeRemoved, NodeRevised, NodeTied},
};
use kernel::{RecordedEvent, Undecodable};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    Origin,
    weave::{LatLon, node::Field, posted::Posted},
};

/// What draws threads, and what discards them.
pub const THREAD_EVENT_TYPES: &[&str] =
    &[NodeTied::TYPE, NodeRevised::TYPE, NodeRemoved::TYPE, MessagePosted::TYPE, AccountLeft::TYPE];

/// A decoded act.
pub struct ThreadChange {
    pub fact: ThreadFact,
    pub origin: Origin,
}

pub enum ThreadFact {
    Tied {
        /// `None` when it was redacted.
        location: Option<LatLon>,
    },
    Revised {
        /// `None` when it did not change.
        location: Option<Option<LatLon>>,
    },
    Removed,
    Posted {
        conversation_id: Uuid,
        author_id: Uuid,
    },
    Left,
}

// Texts are not named here, so they are skipped and never copied.
#[derive(Deserialize)]
struct TiedWire {
    location: Field<LatLon>,
}

#[derive(Deserialize)]
struct RevisedWire {
    #[serde(default)]
    location: Option<Field<LatLon>>,
}

impl ThreadChange {
    /// # Errors
    /// [`Undecodable`] for another type, a schema version this code does not know, or a payload
    /// of another shape.
    pub fn decode(event: &RecordedEvent) -> Result<Self, Undecodable> {
        let fact = match (event.event_type.as_str(), event.schema_version) {
            (NodeTied::TYPE, NodeTied::VERSION) => {
                ThreadFact::Tied { location: known(event.decode::<TiedWire>()?.location) }
            }
            (NodeRevised::TYPE, NodeRevised::VERSION) => {
                ThreadFact::Revised { location: event.decode::<RevisedWire>()?.location.map(known) }
            }
            (NodeRemoved::TYPE, NodeRemoved::VERSION) => ThreadFact::Removed,
            (MessagePosted::TYPE, MessagePosted::VERSION) => {
                let Posted { conversation_id, author_id } = event.decode()?;
                ThreadFact::Posted { conversation_id, author_id }
            }
            (AccountLeft::TYPE, AccountLeft::VERSION) => ThreadFact::Left,
            (_, version) => {
                return Err(Undecodable::new(format!(
                    "{}: this code cannot read schema version {version} of it",
                    event.event_type
                )));
            }
        };
        Ok(Self { fact, origin: Origin::of(event)? })
    }
}

fn known(location: Field<LatLon>) -> Option<LatLon> {
    match location {
        Field::Known(point) => Some(point),
        Field::Redacted => None,
    }
}

/// The conversation of the node this event is of.
pub(super) fn of_node(recorded: &RecordedEvent) -> Uuid {
    conversation_id(ConversationKind::Node, recorded.aggregate_id)
}
