use chrono::{DateTime, Utc};
use domain::weave::conversation::ConversationKind;
use kernel::{Position, RecordedEvent, Undecodable, Version};
use uuid::Uuid;

use super::{ConversationChange, ConversationFact};
use crate::Sealed;

/// A conversation or a message.
#[derive(Debug, Clone, PartialEq)]
pub enum ConversationRow {
    Conversation(ConversationFields),
    Message(Box<MessageFields>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationState {
    Open,
    /// Closed, and something was said: readable, no new posts.
    Archived,
    /// Closed before anybody said anything.
    Gone,
}

impl ConversationState {
    pub const ALL: [Self; 3] = [Self::Open, Self::Archived, Self::Gone];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Archived => "archived",
            Self::Gone => "gone",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationFields {
    pub id: Uuid,
    pub kind: ConversationKind,
    pub subject_id: Uuid,
    pub state: ConversationState,
    /// Posts, those taken away later included: what is shown is a tombstone.
    pub message_count: i64,
    pub last_message_position: Option<Position>,
    pub last_message_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MessageFields {
    pub id: Uuid,
    pub conversation_id: Uuid,
    /// `None` once it was unbound.
    pub author_id: Option<Uuid>,
    /// `None` once it was taken away.
    pub content: Option<Sealed>,
    pub created_at: DateTime<Utc>,
    pub edited_at: Option<DateTime<Utc>>,
    pub tombstoned: bool,
    pub version: Version,
    /// Of the post: the order of the conversation.
    pub position: Position,
}

impl ConversationFields {
    /// # Errors
    /// [`Undecodable`] for an event that cannot follow, above all a post after the closing.
    pub fn after(
        fields: Option<Self>,
        change: &ConversationChange,
        recorded: &RecordedEvent,
    ) -> Result<Self, Undecodable> {
        match (fields, &change.fact) {
            (None, ConversationFact::Opened { kind, subject_id }) => Ok(Self {
                id: recorded.aggregate_id,
                kind: *kind,
                subject_id: *subject_id,
                state: ConversationState::Open,
                message_count: 0,
                last_message_position: None,
                last_message_at: None,
            }),
            (Some(fields), ConversationFact::Posted { .. }) if fields.state == ConversationState::Open => {
                Ok(Self {
                    message_count: fields.message_count + 1,
                    last_message_position: Some(recorded.position),
                    // Two processes' clocks may differ: the order is the log's, the time never goes back.
                    last_message_at: fields.last_message_at.max(Some(change.origin.occurred_at)),
                    ..fields
                })
            }
            (Some(fields), ConversationFact::Closed) if fields.state == ConversationState::Open => {
                let state = match fields.message_count {
                    0 => ConversationState::Gone,
                    _ => ConversationState::Archived,
                };
                Ok(Self { state, ..fields })
            }
            _ => Err(Undecodable::new(format!(
                "{}: cannot follow the conversation's earlier events",
                recorded.event_type
            ))),
        }
    }
}

impl MessageFields {
    /// # Errors
    /// [`Undecodable`] for an event that cannot follow: the message's stream is not whole.
    pub fn after(
        fields: Option<Self>,
        change: &ConversationChange,
        recorded: &RecordedEvent,
    ) -> Result<Self, Undecodable> {
        let at = change.origin.occurred_at;
        let mut fields = match (fields, &change.fact) {
            (None, ConversationFact::Posted { conversation_id, author_id, content }) => {
                return Ok(Self {
                    id: recorded.aggregate_id,
                    conversation_id: *conversation_id,
                    author_id: Some(*author_id),
                    content: Some(content.clone()),
                    created_at: at,
                    edited_at: None,
                    tombstoned: false,
                    version: recorded.version,
                    position: recorded.position,
                });
            }
            (Some(fields), ConversationFact::Edited { .. } | ConversationFact::Tombstoned)
                if !fields.tombstoned && fields.version < recorded.version =>
            {
                fields
            }
            (Some(fields), ConversationFact::AuthorUnbound) if fields.version < recorded.version => fields,
            _ => {
                return Err(Undecodable::new(format!(
                    "{}: cannot follow the message's earlier events",
                    recorded.event_type
                )));
            }
        };
        match &change.fact {
            ConversationFact::Edited { content } => {
                fields.content = Some(content.clone());
                fields.edited_at = Some(at);
            }
            ConversationFact::Tombstoned => {
                fields.content = None;
                fields.tombstoned = true;
            }
            _ => fields.author_id = None,
        }
        fields.version = recorded.version;
        Ok(fields)
    }
}
