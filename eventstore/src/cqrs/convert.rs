use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use cqrs_es::persist::{PersistenceError, SerializedEvent};
use kernel::{AggregateRef, Name, NewEvent, RecordedEvent};
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::{StoreError, append::EventToStore};

/// Never changes: every imported string id is derived from it.
pub const CQRS_NAMESPACE: Uuid = uuid!("0e2d6f0a-51c4-4a5b-8a77-3c9e4f7f5d21");

/// The UUID of a string id: UUIDv5 over `<type>:<id>`.
#[must_use]
pub fn aggregate_id(aggregate_type: &str, external_id: &str) -> Uuid {
    Uuid::new_v5(&CQRS_NAMESPACE, format!("{aggregate_type}:{external_id}").as_bytes())
}

pub(super) fn aggregate_ref(
    aggregate_type: &str,
    external_id: &str,
) -> Result<AggregateRef, PersistenceError> {
    let name = Name::parse(aggregate_type.to_owned()).map_err(other)?;
    Ok(AggregateRef::new(name, aggregate_id(aggregate_type, external_id)))
}

pub(super) fn other(error: impl std::error::Error + Send + Sync + 'static) -> PersistenceError {
    PersistenceError::UnknownError(Box::new(error))
}

pub(super) fn from_store(error: StoreError) -> PersistenceError {
    match error {
        StoreError::Unavailable(_) | StoreError::Fenced => PersistenceError::ConnectionError(Box::new(error)),
        error => other(error),
    }
}

/// An event on its way in. Fields that hold personal data are the application's own affair: a
/// plain cqrs-es payload is stored as it is.
pub(super) fn to_store(event: &SerializedEvent) -> Result<EventToStore, PersistenceError> {
    let event_id = Uuid::now_v7();
    let text = |key: &str| event.metadata.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = |key: &str| text(key).and_then(|text| text.parse().ok()).unwrap_or(event_id);
    let metadata = json!({
        "actor": text("actor").and_then(|text| text.parse::<Uuid>().ok()).map_or("system".to_owned(), |id| id.to_string()),
        "command": text("command").unwrap_or_else(|| "cqrs-es".to_owned()),
        "command_id": id("command_id"),
        "correlation_id": id("correlation_id"),
        "causation_id": id("causation_id"),
        "occurred_at": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "event_version": event.event_version,
        "custom": event.metadata,
    });
    EventToStore::prepare(NewEvent {
        event_id,
        event_type: Name::parse(event.event_type.clone()).map_err(other)?,
        schema_version: schema_version(&event.event_version),
        payload: event.payload.clone(),
        metadata: Arc::from(metadata.to_string()),
    })
    .map_err(other)
}

/// `1.0` is 1, `2.3` is 2; the text itself is kept in the metadata.
fn schema_version(event_version: &str) -> i32 {
    event_version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(1)
}

/// An event on its way out, as postgres-es would have given it.
pub(super) fn from_log(
    event: &RecordedEvent,
    external_id: &str,
) -> Result<SerializedEvent, PersistenceError> {
    let payload = serde_json::from_str(event.payload.get())?;
    let mut metadata: Value = serde_json::from_str(event.metadata.get())?;
    let event_version = metadata
        .get("event_version")
        .and_then(Value::as_str)
        .map_or_else(|| format!("{}.0", event.schema_version), str::to_owned);
    // Written by another part of the system: it has no cqrs-es metadata.
    let custom = metadata.get_mut("custom").map_or_else(|| json!({}), Value::take);
    Ok(SerializedEvent {
        aggregate_id: external_id.to_owned(),
        // Versions begin at 1.
        sequence: usize::try_from(event.version).unwrap_or_default(),
        aggregate_type: event.aggregate_type.to_string(),
        event_type: event.event_type.to_string(),
        event_version,
        payload,
        metadata: custom,
    })
}
