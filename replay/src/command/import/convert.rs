use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use eventstore::append::EventToStore;
use kernel::{Name, NewEvent, truncate_to_millis};
use serde_json::{Value, json};
use uuid::Uuid;

use super::source::SourceEvent;

/// Where the source's metadata may say when it happened.
const TIMES: [&str; 4] = ["occurred_at", "timestamp", "time", "created_at"];

/// The id an imported event has, whenever it is imported.
pub fn event_id(aggregate: Uuid, sequence: i64) -> Uuid {
    Uuid::new_v5(&aggregate, format!("postgres-es:{sequence}").as_bytes())
}

/// When it happened, as far as the metadata says.
pub fn time_of(metadata: &Value) -> Option<DateTime<Utc>> {
    let text = TIMES.iter().find_map(|name| metadata.get(name)?.as_str())?;
    Some(truncate_to_millis(DateTime::parse_from_rfc3339(text).ok()?.to_utc()))
}

/// What is told to everybody about an imported event.
pub fn metadata(event: &SourceEvent, id: Uuid, occurred_at: DateTime<Utc>, keep: bool) -> String {
    let mut metadata = json!({
        "actor": "system",
        "command": "import.postgres-es",
        "command_id": id,
        "correlation_id": id,
        "causation_id": id,
        "occurred_at": occurred_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "event_version": event.event_version,
    });
    if keep {
        metadata["custom"] = event.metadata.clone();
    }
    metadata.to_string()
}

/// The event as the log stores it; `payload` is sealed already.
pub fn to_store(
    event: &SourceEvent,
    id: Uuid,
    payload: Value,
    metadata: String,
) -> Result<EventToStore, String> {
    let event_type = Name::parse(event.event_type.clone()).map_err(|error| format!("its type: {error}"))?;
    EventToStore::prepare(NewEvent {
        event_id: id,
        event_type,
        schema_version: schema_version(&event.event_version),
        payload,
        metadata: Arc::from(metadata),
    })
    .map_err(|error| error.to_string())
}

/// `1.0` is 1, `2.3` is 2; the text itself is kept in the metadata.
fn schema_version(text: &str) -> i32 {
    text.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_taken_where_there_is_one() {
        let at =
            |metadata: Value| time_of(&metadata).map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
        assert_eq!(
            at(json!({"time": "2020-05-04T12:00:00.1239+02:00"})).unwrap(),
            "2020-05-04T10:00:00.123Z"
        );
        assert_eq!(at(json!({"time": "yesterday"})), None);
        assert_eq!(at(json!({})), None);
        assert_eq!([schema_version("1.0"), schema_version("2.3"), schema_version("x")], [1, 2, 1]);
    }
}
