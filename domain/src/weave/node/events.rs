use kernel::Plain;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    payload::events,
    weave::values::{Change, Info, Kind, Location, NodeAddress, NodeTags, SearchVisibility, Summary, Title},
};

/// Texts are public community content; a person's data that slipped into one is redacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeTied {
    pub title: Plain<Title>,
    pub kind: Plain<Kind>,
    pub address: Plain<NodeAddress>,
    pub location: Plain<Location>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Plain<Summary>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Plain<Info>>,
    #[serde(default = "no_tags", skip_serializing_if = "is_without_tags")]
    pub tags: Plain<NodeTags>,
    pub search_visibility: SearchVisibility,
    pub created_by: Uuid,
    pub conversation_id: Uuid,
}

fn no_tags() -> Plain<NodeTags> {
    Plain::Known(NodeTags::default())
}

fn is_without_tags(tags: &Plain<NodeTags>) -> bool {
    tags.known().is_some_and(NodeTags::is_empty)
}

/// Changed fields only; `null` means that the field was emptied.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeRevised {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Plain<Title>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Plain<Kind>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Plain<NodeAddress>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Plain<Location>>,
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub summary: Change<Plain<Summary>>,
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub info: Change<Plain<Info>>,
    /// The whole new list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Plain<NodeTags>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVisibilityChanged {
    pub from: SearchVisibility,
    pub to: SearchVisibility,
}

/// Final. The last title is what histories and feeds still show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRemoved {
    pub last_title: Plain<Title>,
}

/// The creator has left: the node stays, whose it was does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCreatorUnbound {}

events! {
    NodeEvent {
        Tied(NodeTied, Box<NodeTied>) = "NodeTied" v 1,
        Revised(NodeRevised, Box<NodeRevised>) = "NodeRevised" v 1,
        VisibilityChanged(NodeVisibilityChanged, NodeVisibilityChanged) = "NodeVisibilityChanged" v 1,
        Removed(NodeRemoved, NodeRemoved) = "NodeRemoved" v 1,
        CreatorUnbound(NodeCreatorUnbound, NodeCreatorUnbound) = "NodeCreatorUnbound" v 1,
    }
}
