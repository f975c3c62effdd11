use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::payload::events;

/// What a conversation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    Node,
}

impl ConversationKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationOpened {
    pub conversation_id: Uuid,
    pub kind: ConversationKind,
    pub subject_id: Uuid,
}

/// No new posts. Whether it is kept as an archive or is gone, the read model says at that
/// position: it depends on whether there are messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationClosed {}

events! {
    ConversationEvent {
        Opened(ConversationOpened, ConversationOpened) = "ConversationOpened" v 1,
        Closed(ConversationClosed, ConversationClosed) = "ConversationClosed" v 1,
    }
}
