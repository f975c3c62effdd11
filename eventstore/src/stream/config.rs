use std::time::Duration;

use serde_json::{Map, Value, json};

/// Name of the first epoch's stream; later ones are `EVENTS_<epoch>`.
pub const STREAM: &str = "EVENTS";
/// What the stream listens on. Two streams cannot share it: making a new epoch's stream takes it
/// away from the one before (see [`StreamClient::ensure`](super::StreamClient::ensure)).
pub const SUBJECTS: &str = "events.>";

/// What the stream should be.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// The log's epoch; there is one stream per epoch.
    pub epoch: i32,
    pub replicas: u32,
    /// Zero keeps messages for ever.
    pub max_age: Duration,
    /// Reserved when the stream is made: more than the server has, and it refuses. Too low: slow
    /// readers find holes and fall back to Postgres.
    pub max_bytes: i64,
    /// How long the server remembers message ids, ~265 B of its memory each (72 h at 20 M events a
    /// day are 16 GB). Nothing rests on it but the cost of a re-publish. Never above `max_age`.
    pub duplicate_window: Duration,
    /// Send the event id as `Nats-Msg-Id`. Off, the server remembers nothing and the id travels
    /// in a header of our own.
    pub message_ids: bool,
    /// Send `traceparent` as a header too, not only in the metadata. nats-server (2.11 and later)
    /// reads such a header as a request to trace the message and takes a third more time for it.
    pub trace_header: bool,
    /// At most so many of the newest events are put into a stream that has to be made anew. None:
    /// all of the epoch. Readers get what is missing from Postgres.
    pub refill: Option<i64>,
    /// How long one question to JetStream may take.
    pub request_timeout: Duration,
}

impl StreamConfig {
    /// Production defaults.
    #[must_use]
    pub const fn production(epoch: i32) -> Self {
        Self {
            epoch,
            replicas: 1,
            max_age: Duration::from_secs(30 * 24 * 3600),
            max_bytes: 100 << 30,
            duplicate_window: Duration::from_secs(72 * 3600),
            message_ids: true,
            trace_header: true,
            refill: None,
            request_timeout: Duration::from_secs(3),
        }
    }

    /// For the private server: a small reservation and a short memory.
    #[must_use]
    pub const fn embedded(epoch: i32) -> Self {
        Self { max_bytes: 2 << 30, duplicate_window: Duration::from_secs(120), ..Self::production(epoch) }
    }

    #[must_use]
    pub fn name(&self) -> String {
        name_of(self.epoch)
    }

    /// The fields as JetStream spells them. What is not named here must be off or unlimited.
    pub(super) fn wanted(&self) -> Map<String, Value> {
        let window = if self.max_age.is_zero() {
            self.duplicate_window
        } else {
            self.duplicate_window.min(self.max_age)
        };
        let fields = json!({
            "name": self.name(),
            "subjects": [SUBJECTS],
            "retention": "limits",
            "discard": "old",
            "storage": "file",
            "num_replicas": self.replicas,
            "max_age": nanos(self.max_age),
            "max_bytes": self.max_bytes,
            "duplicate_window": nanos(window),
            "max_msgs": -1,
            "max_msgs_per_subject": -1,
            "max_msg_size": -1,
            "max_consumers": -1,
            "allow_direct": true,
        });
        match fields {
            Value::Object(fields) => fields,
            // The literal above is an object.
            _ => Map::new(),
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    // 292 years; longer is as good as for ever.
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

pub(super) fn name_of(epoch: i32) -> String {
    if epoch <= 1 { STREAM.to_owned() } else { format!("{STREAM}_{epoch}") }
}

/// Which epoch a stream belongs to, if it is one of ours.
pub(super) fn epoch_of(name: &str) -> Option<i32> {
    if name == STREAM {
        return Some(1);
    }
    let epoch: i32 = name.strip_prefix(STREAM)?.strip_prefix('_')?.parse().ok()?;
    (name_of(epoch) == name).then_some(epoch)
}

/// Fields that can be changed in place without losing the mapping of sequences to positions.
pub(super) const CHANGEABLE: [&str; 4] = ["num_replicas", "max_age", "max_bytes", "duplicate_window"];

/// Fields that say nothing about what the stream keeps or lets in.
const IRRELEVANT: [&str; 6] =
    ["description", "metadata", "first_seq", "placement", "consumer_limits", "compression"];

/// One field that is not as it should be: name, found, wanted.
pub(super) type FieldDifference = (String, Value, Value);

/// Compares field by field. Old servers ignore fields they do not know, new ones bring fields that
/// we do not know: both show up here.
pub(super) fn differences(wanted: &Map<String, Value>, found: &Map<String, Value>) -> Vec<FieldDifference> {
    let off = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0) || number.as_i64() == Some(-1),
        Value::String(text) => text.is_empty() || text == "none" || text == "default",
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::Bool(true) => false,
    };
    let missing_or_other = wanted.iter().filter_map(|(field, wanted)| {
        let found = found.get(field).cloned().unwrap_or_default();
        let same = found == *wanted || (off(wanted) && off(&found));
        (!same).then(|| (field.clone(), found, wanted.clone()))
    });
    let unexpected = found.iter().filter_map(|(field, found)| {
        let fine = wanted.contains_key(field) || IRRELEVANT.contains(&field.as_str()) || off(found);
        (!fine).then(|| (field.clone(), found.clone(), Value::Null))
    });
    missing_or_other.chain(unexpected).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_tells_its_epoch() {
        for epoch in [1, 2, 17] {
            assert_eq!(epoch_of(&name_of(epoch)), Some(epoch));
        }
        for other in ["EVENTS_", "EVENTS_1", "EVENTS_02", "EVENTSX", "ORDERS"] {
            assert_eq!(epoch_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_feature_nobody_asked_for_is_named() {
        let wanted = StreamConfig::production(1).wanted();
        let mut found = wanted.clone();
        found.insert("sealed".into(), json!(false));
        found.insert("metadata".into(), json!({"_nats.ver": "2.15.1"}));
        assert_eq!(differences(&wanted, &found), vec![]);
        found.insert("allow_rollup_hdrs".into(), json!(true));
        found.insert("max_age".into(), json!(5));
        let named: Vec<String> = differences(&wanted, &found).into_iter().map(|(field, ..)| field).collect();
        assert_eq!(named, ["max_age", "allow_rollup_hdrs"]);
    }

    #[test]
    fn the_window_never_exceeds_the_age() {
        let config = StreamConfig { max_age: Duration::from_secs(60), ..StreamConfig::production(1) };
        assert_eq!(config.wanted()["duplicate_window"], json!(60_000_000_000_i64));
    }
}
