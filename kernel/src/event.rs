use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use crate::{Name, Position, Version, projection::Undecodable};

/// An event that was decided and is not in the log yet.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// UUIDv7; also the stream message's id.
    pub event_id: Uuid,
    /// Stable constant in the past tense, independent of Rust names.
    pub event_type: Name,
    pub schema_version: i32,
    /// Personal fields still as `$personal`; the store seals them before it hashes.
    pub payload: Value,
    /// JSON object, see [`Metadata`](crate::Metadata). One command's events share it.
    pub metadata: Arc<str>,
}

/// An event as the log holds it: immutable, its personal fields sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedEvent {
    pub position: Position,
    pub event_id: Uuid,
    pub aggregate_type: Name,
    pub aggregate_id: Uuid,
    pub version: Version,
    #[serde(rename = "type")]
    pub event_type: Name,
    pub schema_version: i32,
    pub payload: Box<RawValue>,
    pub metadata: Box<RawValue>,
    /// Database clock, microseconds; for audit only. Rules use `metadata.occurred_at`.
    pub recorded_at: DateTime<Utc>,
}

impl RecordedEvent {
    /// Reads the payload as a domain type.
    ///
    /// # Errors
    /// [`Undecodable`] when it has another shape; the message names the field, never its content.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Undecodable> {
        serde_json::from_str(self.payload.get())
            .map_err(|error| Undecodable::from_json(&self.event_type, &error))
    }

    /// Reads the metadata.
    ///
    /// # Errors
    /// [`Undecodable`] when a required key is missing or has another type.
    pub fn metadata(&self) -> Result<crate::Metadata, Undecodable> {
        serde_json::from_str(self.metadata.get())
            .map_err(|error| Undecodable::from_json(&self.event_type, &error))
    }
}
