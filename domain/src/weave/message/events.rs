use kernel::Personal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{payload::events, weave::values::MessageContent};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessagePosted {
    pub conversation_id: Uuid,
    pub author_id: Uuid,
    /// Class content, about the author.
    pub content: Personal<MessageContent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageEdited {
    /// Class content, about the author.
    pub content: Personal<MessageContent>,
}

/// Final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageTombstoned {
    /// The author, or an admin.
    pub by: Uuid,
}

/// Says nothing about whose message it was: the log before it does, read models no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAuthorUnbound {}

events! {
    MessageEvent {
        Posted(MessagePosted, Box<MessagePosted>) = "MessagePosted" v 1,
        Edited(MessageEdited, Box<MessageEdited>) = "MessageEdited" v 1,
        Tombstoned(MessageTombstoned, MessageTombstoned) = "MessageTombstoned" v 1,
        AuthorUnbound(MessageAuthorUnbound, MessageAuthorUnbound) = "MessageAuthorUnbound" v 1,
    }
}
