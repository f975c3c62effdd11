use domain::weave::node::{NodeCreatorUnbound, NodeRemoved, NodeRevised, NodeTied, NodeVisibilityChanged};
use kernel::{RecordedEvent, Undecodable};
use serde::de::DeserializeOwned;

use super::{Removed, Revised, Tied, VisibilityChanged};
use crate::Origin;

/// Every type of the node's stream: rows carry the aggregate's version, so they may miss none.
pub const NODE_EVENT_TYPES: &[&str] = &[
    NodeTied::TYPE,
    NodeRevised::TYPE,
    NodeVisibilityChanged::TYPE,
    NodeRemoved::TYPE,
    NodeCreatorUnbound::TYPE,
];

/// A decoded event of a node.
pub struct NodeChange {
    pub fact: NodeFact,
    pub origin: Origin,
}

pub enum NodeFact {
    Tied(Box<Tied>),
    Revised(Box<Revised>),
    VisibilityChanged(VisibilityChanged),
    Removed(Removed),
    CreatorUnbound,
}

impl NodeChange {
    /// # Errors
    /// [`Undecodable`] for another type, a schema version this code does not know, or a payload
    /// of another shape.
    pub fn decode(event: &RecordedEvent) -> Result<Self, Undecodable> {
        let fact = match (event.event_type.as_str(), event.schema_version) {
            (NodeTied::TYPE, NodeTied::VERSION) => NodeFact::Tied(payload(event)?),
            (NodeRevised::TYPE, NodeRevised::VERSION) => NodeFact::Revised(payload(event)?),
            (NodeVisibilityChanged::TYPE, NodeVisibilityChanged::VERSION) => {
                NodeFact::VisibilityChanged(payload(event)?)
            }
            (NodeRemoved::TYPE, NodeRemoved::VERSION) => NodeFact::Removed(payload(event)?),
            (NodeCreatorUnbound::TYPE, NodeCreatorUnbound::VERSION) => NodeFact::CreatorUnbound,
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

fn payload<T: DeserializeOwned>(event: &RecordedEvent) -> Result<T, Undecodable> {
    event.decode()
}
