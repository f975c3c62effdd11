use chrono::{DateTime, Utc};
use kernel::Version;
use serde::Serialize;
use uuid::Uuid;

use super::NodeFields;
use crate::{millis, weave::LatLon};

/// A node as every answer shows it. `null` in `kind`, `title`, `tags`, `address` or `location`
/// means that the field was redacted; `erased` then names it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeShape {
    pub id: Uuid,
    pub kind: Option<String>,
    pub title: Option<String>,
    pub summary: Option<String>,
    /// Markdown.
    pub info: Option<String>,
    pub tags: Option<Vec<String>>,
    pub address: Option<String>,
    pub location: Option<LatLon>,
    /// `public`, `private`, `hidden` or `revoked`; governs the search only.
    pub search_visibility: &'static str,
    /// `None` once the creator has left.
    pub created_by: Option<Uuid>,
    pub conversation_id: Uuid,
    #[serde(serialize_with = "millis::serialize")]
    pub created_at: DateTime<Utc>,
    #[serde(serialize_with = "millis::serialize")]
    pub updated_at: DateTime<Utc>,
    pub version: Version,
    /// JSON pointers of values that are gone for good; left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<String>,
}

impl From<NodeFields> for NodeShape {
    fn from(fields: NodeFields) -> Self {
        Self {
            id: fields.id,
            kind: fields.kind,
            title: fields.title,
            summary: fields.summary,
            info: fields.info,
            tags: fields.tags,
            address: fields.address,
            location: fields.location,
            search_visibility: fields.search_visibility.as_str(),
            created_by: fields.created_by,
            conversation_id: fields.conversation_id,
            created_at: fields.created_at,
            updated_at: fields.updated_at,
            version: fields.version,
            erased: fields.redacted,
        }
    }
}
