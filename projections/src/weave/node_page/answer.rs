use chrono::{DateTime, Utc};
use kernel::{Position, Version};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    millis,
    weave::{conversation::ConversationSummary, node::NodeShape, thread::ThreadShape},
};

/// Answer of `GET /v1/nodes/{id}`; its `ETag` is `"<version>-<position>"`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeDetail {
    /// `erased` may also name `/creator/title`.
    #[serde(flatten)]
    pub node: NodeShape,
    /// `None` when the creator left.
    pub creator: Option<Creator>,
    /// The last [`HISTORY_LIMIT`](super::HISTORY_LIMIT) entries, oldest first.
    pub history: Vec<HistoryEntry>,
    /// `None` only while its read model has not caught up.
    pub conversation: Option<ConversationSummary>,
    /// Live ones, the newest [`THREADS_LIMIT`](super::THREADS_LIMIT), newest first.
    pub threads: Vec<ThreadShape>,
    /// The smallest of the read models' this was made from: so far, everything is in.
    pub position: Position,
    #[serde(skip)]
    pub epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Creator {
    pub id: Uuid,
    /// `None` when it was erased.
    pub title: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    #[serde(rename = "type")]
    pub event_type: String,
    #[serde(serialize_with = "millis::serialize")]
    pub at: DateTime<Utc>,
    pub position: Position,
    pub version: Version,
    /// Account id; `null` when it was no person.
    pub actor: Option<Uuid>,
}
