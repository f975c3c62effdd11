use kernel::{Name, Plain};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{NodeCommand, NodeCommandKind, NodeEvent, NodeTied};
use crate::{
    Aggregate, CqrsType, DecideContext, Rejection,
    weave::values::{Info, Kind, Location, NodeAddress, NodeTags, SearchVisibility, Summary, Title},
};

/// So many nodes a guest may own; weavers and admins have no cap. Counted in the append.
pub const GUEST_NODE_LIMIT: u32 = 1_000;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    #[default]
    Missing,
    Live(Box<LiveNode>),
    /// Final; its texts are no longer needed for any decision.
    Removed {
        created_by: Option<Uuid>,
        conversation_id: Uuid,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveNode {
    pub title: Plain<Title>,
    pub kind: Plain<Kind>,
    pub address: Plain<NodeAddress>,
    pub location: Plain<Location>,
    pub summary: Option<Plain<Summary>>,
    pub info: Option<Plain<Info>>,
    pub tags: Plain<NodeTags>,
    pub search_visibility: SearchVisibility,
    /// `None` once the creator has left.
    pub created_by: Option<Uuid>,
    pub conversation_id: Uuid,
}

impl Node {
    #[must_use]
    pub fn live(&self) -> Option<&LiveNode> {
        match self {
            Self::Live(node) => Some(node),
            _ => None,
        }
    }

    /// Who tied it, as long as it is bound to a person; also of a removed node.
    #[must_use]
    pub fn created_by(&self) -> Option<Uuid> {
        match self {
            Self::Missing => None,
            Self::Live(node) => node.created_by,
            Self::Removed { created_by, .. } => *created_by,
        }
    }

    /// Its conversation; also of a removed node.
    #[must_use]
    pub fn conversation_id(&self) -> Option<Uuid> {
        match self {
            Self::Missing => None,
            Self::Live(node) => Some(node.conversation_id),
            Self::Removed { conversation_id, .. } => Some(*conversation_id),
        }
    }
}

impl CqrsType for Node {
    const NAME: &'static str = "node";
}

impl Aggregate for Node {
    const CONTEXT: Name = crate::weave::CONTEXT;
    const TYPE: Name = Name::constant(Self::NAME);
    const SNAPSHOT_SCHEMA: i32 = 2;
    type Command = NodeCommand;
    type Event = NodeEvent;

    fn authorise(&self, command: &str, context: &DecideContext) -> Result<(), Rejection> {
        NodeCommandKind::parse(command).map_or(Ok(()), |kind| self.may(kind, context))
    }

    fn decide(&self, command: &NodeCommand, context: &DecideContext) -> Result<Vec<NodeEvent>, Rejection> {
        self.decided(command, context)
    }

    fn apply(&mut self, event: &NodeEvent) {
        match (event, self) {
            (NodeEvent::Tied(tied), state) => *state = Self::Live(Box::new(LiveNode::from(&**tied))),
            (NodeEvent::Revised(revised), Self::Live(node)) => {
                let revised = revised.clone();
                replace(&mut node.title, revised.title);
                replace(&mut node.kind, revised.kind);
                replace(&mut node.address, revised.address);
                replace(&mut node.location, revised.location);
                replace(&mut node.tags, revised.tags);
                revised.summary.apply_to(&mut node.summary);
                revised.info.apply_to(&mut node.info);
            }
            (NodeEvent::VisibilityChanged(changed), Self::Live(node)) => node.search_visibility = changed.to,
            (NodeEvent::Removed(_), state) => {
                if let Self::Live(node) = state {
                    *state =
                        Self::Removed { created_by: node.created_by, conversation_id: node.conversation_id };
                }
            }
            (NodeEvent::CreatorUnbound(_), Self::Live(node)) => node.created_by = None,
            (NodeEvent::CreatorUnbound(_), Self::Removed { created_by, .. }) => *created_by = None,
            // The rules let nothing follow a removal and nothing precede the tying.
            (_, Self::Missing | Self::Removed { .. }) => {}
        }
    }

    fn exists(&self) -> bool {
        !matches!(self, Self::Missing)
    }
}

fn replace<T>(field: &mut T, with: Option<T>) {
    if let Some(value) = with {
        *field = value;
    }
}

impl From<&NodeTied> for LiveNode {
    fn from(tied: &NodeTied) -> Self {
        let NodeTied {
            title,
            kind,
            address,
            location,
            summary,
            info,
            tags,
            search_visibility,
            created_by,
            conversation_id,
        } = tied.clone();
        Self {
            title,
            kind,
            address,
            location,
            summary,
            info,
            tags,
            search_visibility,
            created_by: Some(created_by),
            conversation_id,
        }
    }
}
