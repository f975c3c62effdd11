use domain::weave::{
    conversation::{ConversationKind, conversation_id},
    message::MessagePosted,
    node::{NodeRemoved, NodeRevised, NodeTied},
};
use kernel::{RecordedEvent, Undecodable};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    Origin,
    weave::{
        node::{Field, Removed},
        posted::Posted,
    },
};

/// What counts as an act.
pub const ACTIVITY_EVENT_TYPES: &[&str] =
    &[NodeTied::TYPE, NodeRevised::TYPE, NodeRemoved::TYPE, MessagePosted::TYPE];

/// A decoded act.
pub struct ActivityChange {
    pub fact: ActivityFact,
    pub origin: Origin,
}

pub enum ActivityFact {
    Tied {
        title: Field<String>,
    },
    Revised {
        /// `None` when it did not change.
        title: Option<Field<String>>,
    },
    Removed {
        last_title: Field<String>,
    },
    Posted {
        conversation_id: Uuid,
        author_id: Uuid,
    },
}

// Of a node, only the title is needed here.
#[derive(Deserialize)]
struct TiedWire {
    title: Field<String>,
}

#[derive(Deserialize)]
struct RevisedWire {
    #[serde(default)]
    title: Option<Field<String>>,
}

impl ActivityChange {
    /// # Errors
    /// [`Undecodable`] for another type, a schema version this code does not know, or a payload
    /// of another shape.
    pub fn decode(event: &RecordedEvent) -> Result<Self, Undecodable> {
        let fact = match (event.event_type.as_str(), event.schema_version) {
            (NodeTied::TYPE, NodeTied::VERSION) => {
                ActivityFact::Tied { title: event.decode::<TiedWire>()?.title }
            }
            (NodeRevised::TYPE, NodeRevised::VERSION) => {
                ActivityFact::Revised { title: event.decode::<RevisedWire>()?.title }
            }
            (NodeRemoved::TYPE, NodeRemoved::VERSION) => {
                ActivityFact::Removed { last_title: event.decode::<Removed>()?.last_title }
            }
            (MessagePosted::TYPE, MessagePosted::VERSION) => {
                let Posted { conversation_id, author_id } = event.decode()?;
                ActivityFact::Posted { conversation_id, author_id }
            }
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

/// The conversation of the node this event is of.
pub(super) fn of_node(recorded: &RecordedEvent) -> Uuid {
    conversation_id(ConversationKind::Node, recorded.aggregate_id)
}
