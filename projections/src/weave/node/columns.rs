use chrono::{DateTime, Utc};
use domain::weave::values::SearchVisibility;
use uuid::Uuid;

use super::NodeFields;
use crate::weave::LatLon;

/// A node's columns as a statement returns them.
pub(crate) struct NodeColumns {
    pub id: Uuid,
    pub kind: Option<String>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub info: Option<String>,
    pub tags: Option<Vec<String>>,
    pub address: Option<String>,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub search_visibility: String,
    pub created_by: Option<Uuid>,
    pub conversation_id: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: i64,
    pub redacted: Vec<String>,
    pub removed_at: Option<DateTime<Utc>>,
}

impl NodeColumns {
    /// # Errors
    /// A decode error when `search_visibility` holds a word that no fold of this code writes.
    pub fn into_fields(self) -> Result<NodeFields, sqlx::Error> {
        let search_visibility = SearchVisibility::parse(&self.search_visibility)
            .map_err(|_| sqlx::Error::Decode("unknown search_visibility".into()))?;
        Ok(NodeFields {
            id: self.id,
            kind: self.kind,
            title: self.title,
            summary: self.summary,
            info: self.info,
            tags: self.tags,
            address: self.address,
            location: self.lat.zip(self.lon).map(|(lat, lon)| LatLon { lat, lon }),
            search_visibility,
            created_by: self.created_by,
            conversation_id: self.conversation_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
            redacted: self.redacted,
            removed_at: self.removed_at,
        })
    }
}
