use std::{collections::HashMap, sync::Arc};

use async_nats::{HeaderMap, HeaderName, HeaderValue, Subject};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use kernel::{Name, Position, RecordedEvent};

use super::{StreamConfig, shard};

/// Names of the headers.
pub mod header {
    pub const EXPECTED_LAST: &str = "Nats-Expected-Last-Sequence";
    pub const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
    pub const MESSAGE_ID: &str = "Nats-Msg-Id";
    /// Stands in for `Nats-Msg-Id` where the server shall not remember ids.
    pub const EVENT_ID: &str = "Event-Id";
    pub const EPOCH: &str = "Epoch";
    pub const POSITION: &str = "Position";
    pub const EVENT_TYPE: &str = "Event-Type";
    pub const SCHEMA_VERSION: &str = "Schema-Version";
    pub const AGGREGATE_ID: &str = "Aggregate-Id";
    pub const SHARD: &str = "Shard";
    pub const TRACEPARENT: &str = "traceparent";
    /// `log`: the event did not fit and is read from Postgres.
    pub const BODY: &str = "Body";
    pub const BODY_IN_LOG: &str = "log";
    /// Base64 of what the payload's hash was salted with: a salvaged event keeps its hash.
    pub const SALT: &str = "Salt";
    /// Base64 of the payload's hash, where a field was redacted: what is left does not give it.
    pub const PAYLOAD_HASH: &str = "Payload-Hash";
    /// The next event belongs, or may belong, to the same append: without it this one may not be
    /// salvaged.
    pub const CONTINUES: &str = "Continues";
}

/// Which bounded context an aggregate type belongs to; the rest goes to `other`.
pub type Contexts = Arc<HashMap<Name, Name>>;

const OTHER_CONTEXT: &str = "other";
/// Room kept for headers and protocol in a message of the largest size.
const HEADER_ROOM: usize = 1024;

/// An event, ready to be published.
pub struct Outgoing {
    pub position: Position,
    pub subject: Subject,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Outgoing {
    /// With the event's salt; or with the hash of its payload, where the salt is gone with a field.
    #[must_use]
    pub fn salted(mut self, salt: Option<&[u8]>, payload_hash: &[u8]) -> Self {
        let (name, value) = match salt {
            Some(salt) => (header::SALT, salt),
            None => (header::PAYLOAD_HASH, payload_hash),
        };
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from(STANDARD.encode(value)));
        self
    }

    /// Says that the append goes on with the next event.
    #[must_use]
    pub fn continued(mut self, goes_on: bool) -> Self {
        if goes_on {
            let name = HeaderName::from_static(header::CONTINUES);
            self.headers.insert(name, HeaderValue::from("1"));
        }
        self
    }
}

/// Turns events into messages. Lean on purpose: this runs once per event beside the commands.
pub struct Encoder {
    /// By aggregate type; a type without context is put together when it comes.
    subjects: HashMap<Name, Subject>,
    stream: String,
    epoch: String,
    id_header: HeaderName,
    trace_header: bool,
}

impl Encoder {
    #[must_use]
    pub fn new(config: &StreamConfig, contexts: &Contexts) -> Self {
        let id_header = if config.message_ids { header::MESSAGE_ID } else { header::EVENT_ID };
        let subject = |(aggregate_type, context): (&Name, &Name)| {
            (aggregate_type.clone(), Subject::from(format!("events.{context}.{aggregate_type}")))
        };
        Self {
            subjects: contexts.iter().map(subject).collect(),
            stream: config.name(),
            epoch: config.epoch.to_string(),
            id_header: HeaderName::from_static(id_header),
            trace_header: config.trace_header,
        }
    }

    /// `events.<context>.<aggregate_type>`. Names have the alphabet of a subject's token.
    #[must_use]
    pub fn subject(&self, aggregate_type: &Name) -> Subject {
        self.subjects
            .get(aggregate_type)
            .cloned()
            .unwrap_or_else(|| Subject::from(format!("events.{OTHER_CONTEXT}.{aggregate_type}")))
    }

    /// `max_payload` is what the server takes, headers included.
    #[must_use]
    pub fn encode(&self, event: &RecordedEvent, max_payload: usize) -> Outgoing {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: String| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        };
        put(header::EXPECTED_LAST, (event.position - 1).to_string());
        put(header::EXPECTED_STREAM, self.stream.clone());
        put(header::EPOCH, self.epoch.clone());
        put(header::POSITION, event.position.to_string());
        put(header::EVENT_TYPE, event.event_type.as_str().to_owned());
        put(header::SCHEMA_VERSION, event.schema_version.to_string());
        put(header::AGGREGATE_ID, event.aggregate_id.to_string());
        put(header::SHARD, shard(event.aggregate_id).to_string());
        if self.trace_header
            && let Some(traceparent) = traceparent(event.metadata.get())
        {
            put(header::TRACEPARENT, traceparent.to_owned());
        }
        let body = body(event);
        let body = if body.len() + HEADER_ROOM > max_payload {
            put(header::BODY, header::BODY_IN_LOG.to_owned());
            Bytes::new()
        } else {
            Bytes::from(body)
        };
        headers.insert(self.id_header.clone(), HeaderValue::from(event.event_id.to_string()));
        Outgoing { position: event.position, subject: self.subject(&event.aggregate_type), headers, body }
    }
}

/// The stored event as JSON; payload and metadata are copied as they are, not parsed.
fn body(event: &RecordedEvent) -> Vec<u8> {
    let mut body = Vec::with_capacity(event.payload.get().len() + event.metadata.get().len() + 384);
    // Into memory, from ids, numbers and JSON that was JSON already: there is nothing to fail.
    if serde_json::to_writer(&mut body, event).is_err() {
        body.clear();
    }
    body
}

/// Finds `"traceparent": "…"` in metadata without parsing it. A quote inside a JSON string is
/// escaped, so the pattern can only be a key; the value is checked because it becomes a header.
fn traceparent(metadata: &str) -> Option<&str> {
    let rest = metadata.split_once("\"traceparent\"")?.1.trim_start().strip_prefix(':')?;
    let value = rest.trim_start().strip_prefix('"')?.split_once('"')?.0;
    let plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    (value.len() == 55 && value.bytes().all(plain)).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;

    fn event(metadata: &str, payload: &str) -> RecordedEvent {
        RecordedEvent {
            position: 7,
            event_id: Uuid::from_u128(1),
            aggregate_type: Name::constant("node"),
            aggregate_id: Uuid::from_u128(2),
            version: 3,
            event_type: Name::constant("NodeTied"),
            schema_version: 1,
            payload: RawValue::from_string(payload.to_owned()).unwrap(),
            metadata: RawValue::from_string(metadata.to_owned()).unwrap(),
            recorded_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn encoder(message_ids: bool) -> Encoder {
        let contexts = HashMap::from([(Name::constant("node"), Name::constant("weave"))]);
        let config = StreamConfig { message_ids, ..StreamConfig::production(3) };
        Encoder::new(&config, &Arc::new(contexts))
    }

    #[test]
    fn subject_and_headers_are_golden() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let event = event(&format!(r#"{{"actor": "system", "traceparent": "{trace}"}}"#), r#"{"a": 1}"#);
        let message = encoder(true).encode(&event, 1 << 20);
        assert_eq!(message.subject.as_str(), "events.weave.node");
        let mut headers: Vec<(String, String)> = message
            .headers
            .iter()
            .map(|(name, values)| (name.to_string(), values[0].as_str().to_owned()))
            .collect();
        headers.sort();
        let expected = [
            ("Aggregate-Id", "00000000-0000-0000-0000-000000000002"),
            ("Epoch", "3"),
            ("Event-Type", "NodeTied"),
            ("Nats-Expected-Last-Sequence", "6"),
            ("Nats-Expected-Stream", "EVENTS_3"),
            ("Nats-Msg-Id", "00000000-0000-0000-0000-000000000001"),
            ("Position", "7"),
            ("Schema-Version", "1"),
            ("Shard", "63"),
            ("traceparent", trace),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let back: RecordedEvent = serde_json::from_slice(&message.body).unwrap();
        assert_eq!((back.position, back.payload.get()), (7, r#"{"a": 1}"#));
    }

    #[test]
    fn an_unknown_type_goes_to_other_and_a_large_body_stays_in_the_log() {
        let large = event("{}", &format!("\"{}\"", "x".repeat(4_000)));
        let message = encoder(false).encode(&large, 4_096);
        assert!(message.body.is_empty());
        assert_eq!(message.headers.get(header::BODY).unwrap().as_str(), "log");
        assert!(message.headers.get(header::MESSAGE_ID).is_none());
        assert!(message.headers.get(header::EVENT_ID).is_some());
        assert_eq!(encoder(true).subject(&Name::constant("wallet")).as_str(), "events.other.wallet");
    }

    #[test]
    fn only_a_well_formed_traceparent_becomes_a_header() {
        for bad in [
            r#"{"command": "say \"traceparent\": \"x\""}"#,
            r#"{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n"}"#,
            r#"{"traceparent": null}"#,
        ] {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
    }
}
