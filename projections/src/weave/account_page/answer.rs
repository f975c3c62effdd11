use chrono::{DateTime, Utc};
use kernel::{Position, Version};
use serde::Serialize;
use uuid::Uuid;

use crate::{millis, weave::LatLon};

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
    /// JSON pointers of values that were erased or redacted, of those this viewer may see.
    pub erased: Vec<&'static str>,
    pub position: Position,
    #[serde(skip)]
    pub epoch: i32,
}
