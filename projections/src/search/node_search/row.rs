use kernel::{RecordedEvent, Undecodable};

use super::{OwnerFact, SearchChange};
use crate::weave::node::{NodeFact, NodeFields};

/// What one key holds. An id is either a node's or an account's, never both (ADR 0004).
#[derive(Debug, Clone, PartialEq)]
pub enum SearchRow {
    Node(Box<NodeFields>),
    /// An account that may act finds its private nodes, a disabled one does not.
    Owner {
        active: bool,
    },
}

impl SearchRow {
    /// # Errors
    /// [`Undecodable`] for an event that cannot follow: the stream is not whole.
    pub fn after(
        row: Option<Self>,
        change: &SearchChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<Self>, Undecodable> {
        match (row, change) {
            // A removed node has no row, and its creator may leave later.
            (None, SearchChange::Node(node)) if matches!(node.fact, NodeFact::CreatorUnbound) => Ok(None),
            (row @ (None | Some(Self::Node(_))), SearchChange::Node(node)) => {
                let fields = match row {
                    Some(Self::Node(fields)) => Some(*fields),
                    _ => None,
                };
                let fields = NodeFields::after(fields, node, recorded)?;
                let removed = matches!(node.fact, NodeFact::Removed(_));
                Ok((!removed).then(|| Self::Node(Box::new(fields))))
            }
            (None, SearchChange::Owner(OwnerFact::Registered))
            | (Some(Self::Owner { .. }), SearchChange::Owner(OwnerFact::Reactivated)) => {
                Ok(Some(Self::Owner { active: true }))
            }
            (Some(Self::Owner { .. }), SearchChange::Owner(OwnerFact::Disabled)) => {
                Ok(Some(Self::Owner { active: false }))
            }
            (Some(Self::Owner { .. }), SearchChange::Owner(OwnerFact::Left)) => Ok(None),
            _ => Err(Undecodable::new(format!("{}: cannot follow the earlier events", recorded.event_type))),
        }
    }
}
