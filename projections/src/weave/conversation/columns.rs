use chrono::{DateTime, Utc};
use domain::weave::conversation::ConversationKind;
use sqlx::types::Json;
use uuid::Uuid;

use super::{ConversationFields, ConversationState, MessageFields};
use crate::Sealed;

pub(super) struct ConversationColumns {
    pub id: Uuid,
    pub kind: String,
    pub subject_id: Uuid,
    pub state: String,
    pub message_count: i64,
    pub last_message_position: Option<i64>,
    pub last_message_at: Option<DateTime<Utc>>,
}

impl ConversationColumns {
    /// # Errors
    /// A decode error for a word that no fold of this code writes.
    pub fn into_fields(self) -> Result<ConversationFields, sqlx::Error> {
        let unknown = || sqlx::Error::Decode("an unknown word in conversation".into());
        Ok(ConversationFields {
            id: self.id,
            kind: [ConversationKind::Node]
                .into_iter()
                .find(|kind| kind.as_str() == self.kind)
                .ok_or_else(unknown)?,
            subject_id: self.subject_id,
            state: ConversationState::parse(&self.state).ok_or_else(unknown)?,
            message_count: self.message_count,
            last_message_position: self.last_message_position,
            last_message_at: self.last_message_at,
        })
    }
}

pub(super) struct MessageColumns {
    pub id: Uuid,
    pub conversation_id: Uuid,
    pub author_id: Option<Uuid>,
    pub content: Option<Json<Sealed>>,
    pub created_at: DateTime<Utc>,
    pub edited_at: Option<DateTime<Utc>>,
    pub tombstoned: bool,
    pub version: i64,
    pub position: i64,
}

impl From<MessageColumns> for MessageFields {
    fn from(columns: MessageColumns) -> Self {
        Self {
            id: columns.id,
            conversation_id: columns.conversation_id,
            author_id: columns.author_id,
            content: columns.content.map(|Json(sealed)| sealed),
            created_at: columns.created_at,
            edited_at: columns.edited_at,
            tombstoned: columns.tombstoned,
            version: columns.version,
            position: columns.position,
        }
    }
}

/// Rows turned into columns for `unnest`.
#[derive(Default)]
pub(super) struct ConversationArrays {
    pub ids: Vec<Uuid>,
    pub kinds: Vec<&'static str>,
    pub subjects: Vec<Uuid>,
    pub states: Vec<&'static str>,
    pub counts: Vec<i64>,
    pub last_positions: Vec<Option<i64>>,
    pub last_times: Vec<Option<DateTime<Utc>>>,
}

impl ConversationArrays {
    pub fn of<'a>(rows: impl Iterator<Item = &'a ConversationFields>) -> Self {
        let mut arrays = Self::default();
        for row in rows {
            arrays.ids.push(row.id);
            arrays.kinds.push(row.kind.as_str());
            arrays.subjects.push(row.subject_id);
            arrays.states.push(row.state.as_str());
            arrays.counts.push(row.message_count);
            arrays.last_positions.push(row.last_message_position);
            arrays.last_times.push(row.last_message_at);
        }
        arrays
    }
}

/// Rows turned into columns for `unnest`, contents borrowed.
#[derive(Default)]
pub(super) struct MessageArrays<'a> {
    pub ids: Vec<Uuid>,
    pub conversations: Vec<Uuid>,
    pub authors: Vec<Option<Uuid>>,
    pub contents: Vec<Option<Json<&'a Sealed>>>,
    pub created: Vec<DateTime<Utc>>,
    pub edited: Vec<Option<DateTime<Utc>>>,
    pub tombstoned: Vec<bool>,
    pub versions: Vec<i64>,
    pub positions: Vec<i64>,
}

impl<'a> MessageArrays<'a> {
    pub fn of(rows: impl Iterator<Item = &'a MessageFields>) -> Self {
        let mut arrays = Self::default();
        for row in rows {
            arrays.ids.push(row.id);
            arrays.conversations.push(row.conversation_id);
            arrays.authors.push(row.author_id);
            arrays.contents.push(row.content.as_ref().map(Json));
            arrays.created.push(row.created_at);
            arrays.edited.push(row.edited_at);
            arrays.tombstoned.push(row.tombstoned);
            arrays.versions.push(row.version);
            arrays.positions.push(row.position);
        }
        arrays
    }
}
