use chrono::NaiveDate;
use domain::weave::{
    account::{
        AccountDescribed, AccountDisabled, AccountEmailChanged, AccountLeft, AccountPlaced, AccountPromoted,
        AccountReactivated, AccountRegistered,
    },
    conversation::{ConversationClosed, ConversationOpened},
    message::{MessageAuthorUnbound, MessageEdited, MessagePosted, MessageTombstoned},
    node::{NodeCreatorUnbound, NodeRemoved, NodeRevised, NodeTied, NodeVisibilityChanged},
};
use kernel::{RecordedEvent, Undecodable};
use uuid::Uuid;

use super::Thing;
use crate::Origin;

/// Every type of this context: whoever caused one of them acted.
pub(super) const STATISTICS_EVENT_TYPES: &[&str] = &[
    AccountRegistered::TYPE,
    AccountDescribed::TYPE,
    AccountPlaced::TYPE,
    AccountEmailChanged::TYPE,
    AccountDisabled::TYPE,
    AccountReactivated::TYPE,
    AccountPromoted::TYPE,
    AccountLeft::TYPE,
    NodeTied::TYPE,
    NodeRevised::TYPE,
    NodeVisibilityChanged::TYPE,
    NodeRemoved::TYPE,
    NodeCreatorUnbound::TYPE,
    ConversationOpened::TYPE,
    ConversationClosed::TYPE,
    MessagePosted::TYPE,
    MessageEdited::TYPE,
    MessageTombstoned::TYPE,
    MessageAuthorUnbound::TYPE,
];

/// What an event means to the numbers. Its payload is never read: that something began or ended
/// is in its type.
pub struct StatChange {
    pub day: NaiveDate,
    pub step: Option<(Thing, Step)>,
    /// `None` when no person did it.
    pub account: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begun,
    Ended,
}

impl StatChange {
    /// # Errors
    /// [`Undecodable`] when the metadata cannot be read.
    pub fn decode(event: &RecordedEvent) -> Result<Self, Undecodable> {
        let origin = Origin::of(event)?;
        let step = match event.event_type.as_str() {
            NodeTied::TYPE => Some((Thing::Nodes, Step::Begun)),
            NodeRemoved::TYPE => Some((Thing::Nodes, Step::Ended)),
            AccountRegistered::TYPE => Some((Thing::Accounts, Step::Begun)),
            AccountLeft::TYPE => Some((Thing::Accounts, Step::Ended)),
            MessagePosted::TYPE => Some((Thing::Messages, Step::Begun)),
            MessageTombstoned::TYPE => Some((Thing::Messages, Step::Ended)),
            _ => None,
        };
        Ok(Self { day: origin.occurred_at.date_naive(), step, account: origin.account() })
    }
}
