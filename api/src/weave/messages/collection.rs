use domain::{Aggregate, weave::message::Message};
use serde_json::{Value, json};
use uuid::Uuid;

use super::wire::{EditMessage, PostMessage, TombstoneMessage};
use crate::command::{Collection, ErrorDoc, WireCommand};

/// The commands of a message.
#[must_use]
pub fn collection() -> Collection {
    Collection::new("messages", Message::TYPE)
        .command::<PostMessage>()
        .command::<EditMessage>()
        .command::<TombstoneMessage>()
}

impl WireCommand for PostMessage {
    type Aggregate = Message;
    const WORD: &'static str = "post";
    const SUMMARY: &'static str = "Says something in a conversation; ten times a minute at most.";
    const ERRORS: &'static [ErrorDoc] = &[
        ErrorDoc::new(404, "not-found"),
        ErrorDoc::new(409, "already-exists"),
        ErrorDoc::new(409, "conversation-archived"),
        ErrorDoc::new(422, "blank"),
        ErrorDoc::new(422, "too-long"),
        ErrorDoc::new(422, "control-character"),
        ErrorDoc::new(429, "too-many-messages"),
    ];

    fn example() -> Value {
        json!({"conversation_id": "047c96f4-52a1-5b98-a1f7-62644ede3661", "content": "Moin! Wer bringt Kuchen mit?"})
    }

    fn depends_on(&self) -> Option<Uuid> {
        Some(self.conversation_id)
    }
}

impl WireCommand for EditMessage {
    type Aggregate = Message;
    const WORD: &'static str = "edit";
    const SUMMARY: &'static str = "Replaces what the message says; only its author may.";
    const ERRORS: &'static [ErrorDoc] = &[
        ErrorDoc::new(403, "not-author"),
        ErrorDoc::new(409, "message-tombstoned"),
        ErrorDoc::new(422, "blank"),
        ErrorDoc::new(422, "too-long"),
        ErrorDoc::new(422, "control-character"),
    ];

    fn example() -> Value {
        json!({"content": "Moin! Wer bringt Kuchen und Tassen mit?"})
    }
}

impl WireCommand for TombstoneMessage {
    type Aggregate = Message;
    const WORD: &'static str = "tombstone";
    const SUMMARY: &'static str = "Takes away what the message says, for good; its author or an admin.";
    const ERRORS: &'static [ErrorDoc] =
        &[ErrorDoc::new(403, "not-author"), ErrorDoc::new(409, "message-tombstoned")];

    fn example() -> Value {
        json!({})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::assert_complete;

    #[test]
    fn every_command_of_a_message_has_a_route() {
        assert_complete::<Message>(&collection());
    }
}
