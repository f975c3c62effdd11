use domain::weave::{
    account::AccountLeft,
    conversation::{ConversationKind, conversation_id},
    message::MessagePosted,
    node::{NodeRemoved, NodeRevised, NodeTied},
};
use kernel::{RecordedEvent, Undecodable};
use serde::Deserialize;
use uuid::Uuid;

use super::state::ThreadKind;
use crate::Origin;

/// What the hot views are made from.
pub const HOT_EVENT_TYPES: &[&str] =
    &[NodeTied::TYPE, NodeRevised::TYPE, MessagePosted::TYPE, NodeRemoved::TYPE, AccountLeft::TYPE];

/// What an event means to the hot views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Act(Act),
    /// All threads to this conversation's node are gone. Its score is left alone: the answer
    /// leaves out nodes that are no more, and a score has no way back to its buckets.
    Removed {
        conversation: Uuid,
    },
    /// All threads of this account are gone.
    Left {
        account: Uuid,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Act {
    pub conversation: Uuid,
    /// How much attention it stands for.
    pub weight: i64,
    pub at_ms: i64,
    /// `None` when no person did it: nobody has a thread then.
    pub account: Option<Uuid>,
    pub kind: ThreadKind,
}

#[derive(Deserialize)]
struct Posted {
    conversation_id: Uuid,
}

/// `None` for an event that changes nothing here.
pub(super) fn fact(event: &RecordedEvent) -> Result<Option<Fact>, Undecodable> {
    let node = || conversation_id(ConversationKind::Node, event.aggregate_id);
    let (conversation, weight, kind) = match event.event_type.as_str() {
        NodeTied::TYPE => (node(), 3, ThreadKind::Knotting),
        NodeRevised::TYPE => (node(), 1, ThreadKind::Knotting),
        MessagePosted::TYPE => (event.decode::<Posted>()?.conversation_id, 2, ThreadKind::Conversation),
        NodeRemoved::TYPE => return Ok(Some(Fact::Removed { conversation: node() })),
        AccountLeft::TYPE => return Ok(Some(Fact::Left { account: event.aggregate_id })),
        _ => return Ok(None),
    };
    let origin = Origin::of(event)?;
    let at_ms = origin.occurred_at.timestamp_millis();
    Ok(Some(Fact::Act(Act { conversation, weight, at_ms, account: origin.account(), kind })))
}
