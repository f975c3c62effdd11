//! Node (Knoten): a place, project, need or offer on the map.

mod commands;
mod decide;
mod events;
mod state;
#[cfg(test)]
mod tests;

pub use commands::{
    NodeCommand, NodeCommandKind, RemoveNode, ReviseNode, SetNodeVisibility, TieNode, UnbindNodeCreator,
};
pub use events::{NodeCreatorUnbound, NodeEvent, NodeRemoved, NodeRevised, NodeTied, NodeVisibilityChanged};
pub use state::{GUEST_NODE_LIMIT, LiveNode, Node};
