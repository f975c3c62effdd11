use chrono::{DateTime, Utc};
use kernel::Position;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{millis, weave::conversation::Author};

/// An entry as every answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActivityShape {
    /// Of the last act.
    pub position: Position,
    /// When the last act was.
    #[serde(serialize_with = "millis::serialize")]
    pub at: DateTime<Utc>,
    /// `tied`, `revised`, `removed` or `message`.
    #[serde(rename = "type")]
    pub activity_type: String,
    /// `None` when the person left, and when no person did it.
    pub account: Option<Author>,
    /// `None` when it was not about a node.
    pub node: Option<ActivityNode>,
    /// How often on that day (UTC).
    pub count: i64,
    /// JSON pointers of values that are gone for good; left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<&'static str>,
}

/// A node by its present title, a removed one by its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityNode {
    pub id: Uuid,
    /// `None` when it was redacted.
    pub title: Option<String>,
}
