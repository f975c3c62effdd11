use std::{collections::BTreeMap, fs, path::Path};

use chrono::{DateTime, Utc};
use kernel::{Name, Projection, RecordedEvent, Undecodable};
use serde_json::{Value, json, value::to_raw_value};
use uuid::Uuid;

pub const ACTOR: Uuid = Uuid::from_u128(0xac70);

/// One aggregate's events in the making.
pub struct Story {
    aggregate: (Name, Uuid),
    pub events: Vec<RecordedEvent>,
}

impl Story {
    pub fn of(aggregate_type: &'static str, id: Uuid) -> Self {
        Self { aggregate: (Name::constant(aggregate_type), id), events: Vec::new() }
    }

    /// The next event; its position is ten times its version, as if others stood between.
    pub fn then(mut self, event_type: &str, payload: Value) -> Self {
        let version = self.events.len() as i64 + 1;
        let metadata = json!({
            "actor": ACTOR, "command": "test", "command_id": Uuid::nil(), "correlation_id": Uuid::nil(),
            "causation_id": Uuid::nil(), "occurred_at": occurred_at(version),
        });
        self.events.push(RecordedEvent {
            position: version * 10,
            event_id: Uuid::from_u128(version as u128),
            aggregate_type: self.aggregate.0.clone(),
            aggregate_id: self.aggregate.1,
            version,
            event_type: Name::parse(event_type.to_owned()).unwrap(),
            schema_version: 1,
            payload: to_raw_value(&payload).unwrap(),
            metadata: to_raw_value(&metadata).unwrap(),
            // Far from the command's time: a row that shows it shows the wrong one.
            recorded_at: DateTime::UNIX_EPOCH,
        });
        self
    }
}

/// A second later with every version.
pub fn occurred_at(version: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_790_000_000_123 + version * 1_000).unwrap()
}

/// The rows after all events, folded one by one; the first error ends it.
pub fn fold<P: Projection>(
    projection: &P,
    events: &[RecordedEvent],
) -> Result<BTreeMap<P::Key, P::Row>, Undecodable> {
    let mut rows = BTreeMap::new();
    for recorded in events {
        let event = projection.decode(recorded)?;
        for key in projection.keys(&event, recorded) {
            if let Some(row) = projection.fold(&key, rows.remove(&key), &event, recorded)? {
                rows.insert(key, row);
            }
        }
    }
    Ok(rows)
}

/// The golden payloads of an event type, each with its file name.
pub fn fixtures(event_type: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/tests/fixtures");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), file.path()))
        .filter(|(name, _)| name.starts_with(&format!("{event_type}.v1.")))
        .map(|(name, path)| (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()))
        .collect();
    found.sort_by(|a: &(String, Value), b| a.0.cmp(&b.0));
    assert!(!found.is_empty(), "no fixture of {event_type}");
    found
}
