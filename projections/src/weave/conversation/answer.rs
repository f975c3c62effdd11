use chrono::{DateTime, Utc};
use kernel::Version;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Page, millis, opt_millis};

/// A conversation as other answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationSummary {
    pub id: Uuid,
    /// `open` or `archived`.
    pub state: String,
    /// Messages that were taken away count: their tombstones are shown.
    pub message_count: i64,
    #[serde(serialize_with = "opt_millis::serialize")]
    pub last_message_at: Option<DateTime<Utc>>,
}

/// Answer of `GET /v1/conversations/{id}/messages`, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageList {
    pub conversation: ConversationSummary,
    pub page: Page<MessageShape>,
}

/// A message as every answer shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MessageShape {
    pub id: Uuid,
    pub conversation_id: Uuid,
    /// `None` when the author left.
    pub author: Option<Author>,
    /// `None` when it was taken away (`tombstoned`), erased or redacted (`erased` names it).
    pub content: Option<String>,
    pub tombstoned: bool,
    #[serde(serialize_with = "millis::serialize")]
    pub created_at: DateTime<Utc>,
    #[serde(serialize_with = "opt_millis::serialize")]
    pub edited_at: Option<DateTime<Utc>>,
    pub version: Version,
    /// JSON pointers of values that are gone for good; left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<&'static str>,
}

/// A person by its present title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Author {
    pub id: Uuid,
    /// `None` when it was erased.
    pub title: Option<String>,
}
