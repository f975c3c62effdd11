use chrono::{DateTime, NaiveDate, Utc};
use kernel::Position;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ActivityKey, ActivityType};
use crate::{ReadError, millis, weave::conversation::Author};

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
    /// Of the row it was made from.
    #[serde(skip)]
    pub key: ActivityKey,
}

/// A node by its present title, a removed one by its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActivityNode {
    pub id: Uuid,
    /// `None` when it was redacted.
    pub title: Option<String>,
}

/// An entry as statements return it, without its account's title.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ActivityLine {
    pub position: Position,
    pub at: DateTime<Utc>,
    pub activity_type: String,
    pub count: i64,
    /// As stored, also of those who left.
    pub account_id: Option<Uuid>,
    pub conversation_id: Uuid,
    pub day: NaiveDate,
    pub node_id: Option<Uuid>,
    pub node_title: Option<String>,
}

impl ActivityLine {
    /// # Errors
    /// [`ReadError::Row`] for a type that no fold of this code writes.
    pub fn shown(
        self,
        account: Option<Author>,
        mut erased: Vec<&'static str>,
    ) -> Result<ActivityShape, ReadError> {
        let activity_type = ActivityType::parse(&self.activity_type).ok_or(ReadError::Row("activity"))?;
        let node = self.node_id.map(|id| ActivityNode { id, title: self.node_title });
        if node.as_ref().is_some_and(|node| node.title.is_none()) {
            erased.push("/node/title");
        }
        Ok(ActivityShape {
            position: self.position,
            at: self.at,
            activity_type: self.activity_type,
            account,
            node,
            count: self.count,
            erased,
            key: ActivityKey::Entry {
                account: self.account_id,
                activity_type,
                conversation: self.conversation_id,
                day: self.day,
            },
        })
    }
}
