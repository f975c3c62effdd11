use domain::weave::{
    conversation::{ConversationClosed, ConversationKind, ConversationOpened},
    message::{MessageAuthorUnbound, MessageEdited, MessagePosted, MessageTombstoned},
};
use kernel::{RecordedEvent, Undecodable};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Origin, Sealed, sealed::PersonalField};

/// Every type of both streams: rows of messages carry the aggregate's version.
pub const CONVERSATION_EVENT_TYPES: &[&str] = &[
    ConversationOpened::TYPE,
    ConversationClosed::TYPE,
    MessagePosted::TYPE,
    MessageEdited::TYPE,
    MessageTombstoned::TYPE,
    MessageAuthorUnbound::TYPE,
];

/// A decoded event of a conversation or of a message.
pub struct ConversationChange {
    pub fact: ConversationFact,
    pub origin: Origin,
}

pub enum ConversationFact {
    Opened { kind: ConversationKind, subject_id: Uuid },
    Closed,
    Posted { conversation_id: Uuid, author_id: Uuid, content: Sealed },
    Edited { content: Sealed },
    Tombstoned,
    AuthorUnbound,
}

#[derive(Deserialize)]
struct PostedWire {
    conversation_id: Uuid,
    author_id: Uuid,
    content: PersonalField,
}

#[derive(Deserialize)]
struct EditedWire {
    content: PersonalField,
}

impl ConversationChange {
    /// # Errors
    /// [`Undecodable`] for another type, a schema version this code does not know, a payload of
    /// another shape, or a content that is not sealed.
    pub fn decode(event: &RecordedEvent) -> Result<Self, Undecodable> {
        let fact = match (event.event_type.as_str(), event.schema_version) {
            (ConversationOpened::TYPE, ConversationOpened::VERSION) => {
                let opened: ConversationOpened = event.decode()?;
                ConversationFact::Opened { kind: opened.kind, subject_id: opened.subject_id }
            }
            (ConversationClosed::TYPE, ConversationClosed::VERSION) => ConversationFact::Closed,
            (MessagePosted::TYPE, MessagePosted::VERSION) => {
                let PostedWire { conversation_id, author_id, content } = event.decode()?;
                ConversationFact::Posted { conversation_id, author_id, content: keep(&content, event)? }
            }
            (MessageEdited::TYPE, MessageEdited::VERSION) => {
                let wire: EditedWire = event.decode()?;
                ConversationFact::Edited { content: keep(&wire.content, event)? }
            }
            (MessageTombstoned::TYPE, MessageTombstoned::VERSION) => ConversationFact::Tombstoned,
            (MessageAuthorUnbound::TYPE, MessageAuthorUnbound::VERSION) => ConversationFact::AuthorUnbound,
            (_, version) => {
                return Err(Undecodable::new(format!(
                    "{}: this code cannot read schema version {version} of it",
                    event.event_type
                )));
            }
        };
        Ok(Self { fact, origin: Origin::of(event)? })
    }
}

fn keep(content: &PersonalField, event: &RecordedEvent) -> Result<Sealed, Undecodable> {
    Sealed::keep(content, &event.event_type, "/content")
}
