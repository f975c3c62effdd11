use domain::weave::{
    account::{AccountDisabled, AccountLeft, AccountReactivated, AccountRegistered},
    node::{NodeCreatorUnbound, NodeRemoved, NodeRevised, NodeTied, NodeVisibilityChanged},
};
use kernel::{RecordedEvent, Undecodable};

use crate::weave::node::NodeChange;

/// The node's, and what decides whether an account may find its private nodes.
pub(super) const SEARCH_EVENT_TYPES: &[&str] = &[
    NodeTied::TYPE,
    NodeRevised::TYPE,
    NodeVisibilityChanged::TYPE,
    NodeRemoved::TYPE,
    NodeCreatorUnbound::TYPE,
    AccountRegistered::TYPE,
    AccountDisabled::TYPE,
    AccountReactivated::TYPE,
    AccountLeft::TYPE,
];

/// A decoded event. Of an account's events the type is all that is looked at: nothing personal
/// can get from here into an index.
pub enum SearchChange {
    Node(NodeChange),
    Owner(OwnerFact),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerFact {
    Registered,
    Disabled,
    Reactivated,
    Left,
}

impl SearchChange {
    /// # Errors
    /// [`Undecodable`] for another type, a schema version this code does not know, or a node's
    /// payload of another shape.
    pub fn decode(event: &RecordedEvent) -> Result<Self, Undecodable> {
        let fact = match (event.event_type.as_str(), event.schema_version) {
            (AccountRegistered::TYPE, AccountRegistered::VERSION) => OwnerFact::Registered,
            (AccountDisabled::TYPE, AccountDisabled::VERSION) => OwnerFact::Disabled,
            (AccountReactivated::TYPE, AccountReactivated::VERSION) => OwnerFact::Reactivated,
            (AccountLeft::TYPE, AccountLeft::VERSION) => OwnerFact::Left,
            // Says itself what it cannot read.
            _ => return NodeChange::decode(event).map(Self::Node),
        };
        Ok(Self::Owner(fact))
    }
}
