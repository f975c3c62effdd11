use chrono::{DateTime, Utc};
use kernel::{RecordedEvent, Undecodable};
use uuid::Uuid;

use super::{ThreadChange, ThreadFact, ThreadType};
use crate::weave::LatLon;

/// A thread, the end at a node, or the end at an account.
#[derive(Debug, Clone, PartialEq)]
pub enum ThreadRow {
    Thread(ThreadFields),
    Node(NodeEnd),
    /// Only accounts that left have a row.
    Left(Uuid),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadFields {
    pub account_id: Uuid,
    pub thread_type: ThreadType,
    pub conversation_id: Uuid,
    /// When the last act was.
    pub started_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeEnd {
    pub conversation_id: Uuid,
    pub node_id: Uuid,
    /// `None` when it was redacted, and after the removal.
    pub location: Option<LatLon>,
    pub removed: bool,
    /// The last act of anybody: a node without a recent one has no live thread.
    pub last_act_at: DateTime<Utc>,
}

impl ThreadFields {
    pub(super) fn after(
        fields: Option<Self>,
        (account_id, thread_type, conversation_id): (Uuid, ThreadType, Uuid),
        change: &ThreadChange,
    ) -> Self {
        let at = change.origin.occurred_at;
        // Two processes' clocks may differ; a later act never makes a thread older.
        let started_at = fields.map_or(at, |fields| fields.started_at.max(at));
        Self { account_id, thread_type, conversation_id, started_at }
    }
}

impl NodeEnd {
    /// # Errors
    /// [`Undecodable`] for an event that cannot follow: the node's stream is not whole.
    pub(super) fn after(
        end: Option<Self>,
        conversation_id: Uuid,
        change: &ThreadChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<Self>, Undecodable> {
        let at = change.origin.occurred_at;
        match (end, &change.fact) {
            (None, ThreadFact::Tied { location }) => Ok(Some(Self {
                conversation_id,
                node_id: recorded.aggregate_id,
                location: *location,
                removed: false,
                last_act_at: at,
            })),
            (Some(end), ThreadFact::Revised { location }) if !end.removed => Ok(Some(Self {
                location: location.unwrap_or(end.location),
                last_act_at: end.last_act_at.max(at),
                ..end
            })),
            (Some(end), ThreadFact::Removed) if !end.removed => {
                Ok(Some(Self { location: None, removed: true, ..end }))
            }
            // Not every conversation is about a node.
            (None, ThreadFact::Posted { .. }) => Ok(None),
            (Some(end), ThreadFact::Posted { .. }) => {
                Ok(Some(Self { last_act_at: end.last_act_at.max(at), ..end }))
            }
            _ => Err(Undecodable::new(format!(
                "{}: cannot follow the node's earlier events",
                recorded.event_type
            ))),
        }
    }
}
