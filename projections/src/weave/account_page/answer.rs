use chrono::{DateTime, Utc};
use kernel::{Position, Version};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    millis,
    weave::{
        LatLon,
        activity::ActivityShape,
        thread::{FADES_AFTER, opacity_at},
    },
};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Viewer {
    /// `None` for strangers.
    pub account: Option<Uuid>,
    pub admin: bool,
}

impl Viewer {
    /// Contact data is for the person itself and for admins.
    #[must_use]
    pub fn may_see_contact_of(&self, account: Uuid) -> bool {
        self.admin || self.account == Some(account)
    }
}

/// Answer of `GET /v1/accounts/{id}`; its `ETag` is `"<version>-<position>"`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccountDetail {
    pub id: Uuid,
    /// `guest` or `weaver`.
    pub role: &'static str,
    /// `active`, `disabled` or `left`; who left has no personal fields any more.
    pub status: &'static str,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub tags: Vec<String>,
    /// `Some` only for a viewer who may see it, and then there as `null` when it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Option<String>>,
    /// `not_on_map`, `exact` or `radius`.
    pub map_state: &'static str,
    /// Only of accounts on the map; for `radius` the random point, never the exact one.
    pub public_position: Option<LatLon>,
    pub radius_m: i32,
    #[serde(serialize_with = "millis::serialize")]
    pub created_at: DateTime<Utc>,
    #[serde(serialize_with = "millis::serialize")]
    pub updated_at: DateTime<Utc>,
    pub version: Version,
    /// Nodes this person's live threads lead to, the newest [`NODES_LIMIT`](super::NODES_LIMIT).
    pub nodes: Vec<ThreadedNode>,
    /// The newest [`ACTIVITY_LIMIT`](super::ACTIVITY_LIMIT) entries; they do not fade.
    pub activity: Vec<ActivityShape>,
    /// JSON pointers of values that were erased or redacted, of those this viewer may see.
    pub erased: Vec<&'static str>,
    /// The smallest of the read models' this was made from: so far, everything is in.
    pub position: Position,
    #[serde(skip)]
    pub epoch: i32,
}

/// A node at the other end of one or more live threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadedNode {
    pub id: Uuid,
    /// `None` when it was redacted.
    pub title: Option<String>,
    /// Of the newest thread.
    pub opacity: f64,
    #[serde(serialize_with = "millis::serialize")]
    pub started_at: DateTime<Utc>,
    #[serde(serialize_with = "millis::serialize")]
    pub expires_at: DateTime<Utc>,
}

/// [`ThreadedNode`] as a statement returns it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct NodeLine {
    pub id: Uuid,
    pub title: Option<String>,
    pub started_at: DateTime<Utc>,
}

impl NodeLine {
    pub fn at(self, now: DateTime<Utc>) -> ThreadedNode {
        ThreadedNode {
            id: self.id,
            title: self.title,
            opacity: opacity_at(self.started_at, now),
            started_at: self.started_at,
            expires_at: self.started_at + FADES_AFTER,
        }
    }
}
