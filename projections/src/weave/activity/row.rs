use chrono::{DateTime, NaiveDate, Utc};
use kernel::{Position, RecordedEvent, Undecodable};
use uuid::Uuid;

use super::{ActivityChange, ActivityFact, ActivityType};
use crate::weave::node::Field;

/// An entry, or a node's title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityRow {
    Entry(ActivityFields),
    Node(NodeTitle),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivityFields {
    pub account_id: Option<Uuid>,
    pub activity_type: ActivityType,
    pub conversation_id: Uuid,
    /// UTC
    pub day: NaiveDate,
    pub count: i64,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    /// Of the last act: the order of the list.
    pub position: Position,
}

/// The present title, after the removal the last one; `None` when it was redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTitle {
    pub conversation_id: Uuid,
    pub node_id: Uuid,
    pub title: Option<String>,
}

impl ActivityFields {
    pub(super) fn after(
        fields: Option<Self>,
        (account_id, activity_type, conversation_id, day): (Option<Uuid>, ActivityType, Uuid, NaiveDate),
        change: &ActivityChange,
        recorded: &RecordedEvent,
    ) -> Self {
        let at = change.origin.occurred_at;
        let position = recorded.position;
        match fields {
            None => Self {
                account_id,
                activity_type,
                conversation_id,
                day,
                count: 1,
                first_at: at,
                last_at: at,
                position,
            },
            // Two processes' clocks may differ: the order is the log's, the times are the outermost.
            Some(fields) => Self {
                count: fields.count + 1,
                first_at: fields.first_at.min(at),
                last_at: fields.last_at.max(at),
                position,
                ..fields
            },
        }
    }
}

impl NodeTitle {
    /// # Errors
    /// [`Undecodable`] for an event that cannot follow: the node's stream is not whole.
    pub(super) fn after(
        node: Option<Self>,
        conversation_id: Uuid,
        change: &ActivityChange,
        recorded: &RecordedEvent,
    ) -> Result<Self, Undecodable> {
        match (node, &change.fact) {
            (None, ActivityFact::Tied { title }) => {
                Ok(Self { conversation_id, node_id: recorded.aggregate_id, title: known(title) })
            }
            (Some(node), ActivityFact::Revised { title: None }) => Ok(node),
            (
                Some(node),
                ActivityFact::Revised { title: Some(title) } | ActivityFact::Removed { last_title: title },
            ) => Ok(Self { title: known(title), ..node }),
            _ => Err(Undecodable::new(format!(
                "{}: cannot follow the node's earlier events",
                recorded.event_type
            ))),
        }
    }
}

fn known(title: &Field<String>) -> Option<String> {
    match title {
        Field::Known(title) => Some(title.clone()),
        Field::Redacted => None,
    }
}
