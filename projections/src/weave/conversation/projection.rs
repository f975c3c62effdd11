use std::fmt;

use domain::weave::{
    conversation::{ConversationClosed, ConversationOpened},
    message::MessagePosted,
};
use kernel::{Projection, RecordedEvent, Undecodable};
use uuid::Uuid;

use super::{
    ConversationChange, ConversationFact, ConversationFields, ConversationRow, MessageFields,
    change::CONVERSATION_EVENT_TYPES,
};
use crate::weave::posted::conversation_of;

/// The read model `conversation`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conversations;

/// A post touches two rows: its own and its conversation's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConversationKey {
    Conversation(Uuid),
    Message(Uuid),
}

impl fmt::Display for ConversationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conversation(id) => write!(f, "conversation:{id}"),
            Self::Message(id) => write!(f, "message:{id}"),
        }
    }
}

impl Projection for Conversations {
    type Key = ConversationKey;
    type Row = ConversationRow;
    type Event = ConversationChange;

    const NAME: &'static str = "conversation";
    const EVENT_TYPES: &'static [&'static str] = CONVERSATION_EVENT_TYPES;

    fn decode(&self, event: &RecordedEvent) -> Result<ConversationChange, Undecodable> {
        ConversationChange::decode(event)
    }

    fn keys(&self, event: &ConversationChange, recorded: &RecordedEvent) -> Vec<ConversationKey> {
        let id = recorded.aggregate_id;
        match &event.fact {
            ConversationFact::Opened { .. } | ConversationFact::Closed => {
                vec![ConversationKey::Conversation(id)]
            }
            ConversationFact::Posted { conversation_id, .. } => {
                vec![ConversationKey::Conversation(*conversation_id), ConversationKey::Message(id)]
            }
            _ => vec![ConversationKey::Message(id)],
        }
    }

    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<ConversationKey> {
        let id = recorded.aggregate_id;
        match recorded.event_type.as_str() {
            ConversationOpened::TYPE | ConversationClosed::TYPE => vec![ConversationKey::Conversation(id)],
            // Without its conversation nobody could say whose count is wrong.
            MessagePosted::TYPE => conversation_of(recorded).map_or_else(Vec::new, |conversation| {
                vec![ConversationKey::Conversation(conversation), ConversationKey::Message(id)]
            }),
            _ => vec![ConversationKey::Message(id)],
        }
    }

    fn fold(
        &self,
        key: &ConversationKey,
        row: Option<ConversationRow>,
        event: &ConversationChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<ConversationRow>, Undecodable> {
        let row = match (key, row) {
            (ConversationKey::Conversation(_), Some(ConversationRow::Conversation(fields))) => {
                ConversationRow::Conversation(ConversationFields::after(Some(fields), event, recorded)?)
            }
            (ConversationKey::Conversation(_), _) => {
                ConversationRow::Conversation(ConversationFields::after(None, event, recorded)?)
            }
            (ConversationKey::Message(_), Some(ConversationRow::Message(fields))) => {
                ConversationRow::Message(Box::new(MessageFields::after(Some(*fields), event, recorded)?))
            }
            (ConversationKey::Message(_), _) => {
                ConversationRow::Message(Box::new(MessageFields::after(None, event, recorded)?))
            }
        };
        Ok(Some(row))
    }
}
