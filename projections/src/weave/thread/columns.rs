use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{NodeEnd, ThreadFields, ThreadType, thread_id};
use crate::{geo::cell_of, weave::LatLon};

pub(super) struct ThreadColumns {
    pub account_id: Uuid,
    pub thread_type: String,
    pub conversation_id: Uuid,
    pub started_at: DateTime<Utc>,
}

impl ThreadColumns {
    /// # Errors
    /// A decode error for a word that no fold of this code writes.
    pub fn into_fields(self) -> Result<ThreadFields, sqlx::Error> {
        let thread_type = ThreadType::parse(&self.thread_type)
            .ok_or_else(|| sqlx::Error::Decode("an unknown type of thread".into()))?;
        Ok(ThreadFields {
            account_id: self.account_id,
            thread_type,
            conversation_id: self.conversation_id,
            started_at: self.started_at,
        })
    }
}

pub(super) struct NodeColumns {
    pub conversation_id: Uuid,
    pub node_id: Uuid,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub removed: bool,
    pub last_act_at: DateTime<Utc>,
}

impl From<NodeColumns> for NodeEnd {
    fn from(columns: NodeColumns) -> Self {
        Self {
            conversation_id: columns.conversation_id,
            node_id: columns.node_id,
            location: columns.lat.zip(columns.lon).map(|(lat, lon)| LatLon { lat, lon }),
            removed: columns.removed,
            last_act_at: columns.last_act_at,
        }
    }
}

/// Rows turned into columns for `unnest`.
#[derive(Default)]
pub(super) struct ThreadArrays {
    pub ids: Vec<Uuid>,
    pub accounts: Vec<Uuid>,
    pub types: Vec<&'static str>,
    pub conversations: Vec<Uuid>,
    pub started: Vec<DateTime<Utc>>,
}

impl ThreadArrays {
    pub fn of<'a>(rows: impl Iterator<Item = &'a ThreadFields>) -> Self {
        let mut arrays = Self::default();
        for row in rows {
            arrays.ids.push(thread_id(row.account_id, row.thread_type, row.conversation_id));
            arrays.accounts.push(row.account_id);
            arrays.types.push(row.thread_type.as_str());
            arrays.conversations.push(row.conversation_id);
            arrays.started.push(row.started_at);
        }
        arrays
    }
}

/// Rows turned into columns for `unnest`.
#[derive(Default)]
pub(super) struct NodeEndArrays {
    pub conversations: Vec<Uuid>,
    pub nodes: Vec<Uuid>,
    pub cells: Vec<Option<i64>>,
    pub lats: Vec<Option<f64>>,
    pub lons: Vec<Option<f64>>,
    pub removed: Vec<bool>,
    pub acts: Vec<DateTime<Utc>>,
}

impl NodeEndArrays {
    pub fn of<'a>(rows: impl Iterator<Item = &'a NodeEnd>) -> Self {
        let mut arrays = Self::default();
        for row in rows {
            arrays.conversations.push(row.conversation_id);
            arrays.nodes.push(row.node_id);
            arrays.cells.push(row.location.and_then(|point| cell_of(point.lat, point.lon)));
            arrays.lats.push(row.location.map(|point| point.lat));
            arrays.lons.push(row.location.map(|point| point.lon));
            arrays.removed.push(row.removed);
            arrays.acts.push(row.last_act_at);
        }
        arrays
    }
}
