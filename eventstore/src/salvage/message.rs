use async_nats::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::{Position, RecordedEvent};

use crate::{
    canonical::{Hash, Salt},
    stream::header,
};

/// One sequence of the surplus.
#[derive(Debug)]
pub struct SurplusMessage {
    pub sequence: Position,
    pub content: Content,
}

#[derive(Debug)]
pub enum Content {
    Event(Box<SurplusEvent>),
    Unusable(Unusable),
}

/// An event as the stream carried it.
#[derive(Debug)]
pub struct SurplusEvent {
    pub event: RecordedEvent,
    /// Missing where a field was redacted, and in messages of a relay that did not send it.
    pub salt: Option<Salt>,
    /// Where a field was redacted: the hash the payload had before, which stays.
    pub payload_hash: Option<Hash>,
    /// The next position belongs, or may belong, to the same append.
    pub continues: bool,
}

/// Why a sequence brings no event back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Dropped by age or size, or deleted because a field was redacted.
    NoMessage,
    /// It did not fit into a message; its content stood in the lost log only.
    BodyInLog,
    /// Not what our relay published at this sequence.
    NotOurs,
    /// It begins an append whose end was not published: an append is there whole or not at all.
    Torn,
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoMessage => "the stream has no message there",
            Self::BodyInLog => "the message was too large for the stream and stood only in the lost log",
            Self::Torn => {
                "the end of its append was not published, and an append goes back whole or not at all"
            }
            Self::NotOurs => "the message there was not published by a relay of this epoch",
        })
    }
}

impl SurplusMessage {
    pub(super) const fn missing(sequence: Position) -> Self {
        Self { sequence, content: Content::Unusable(Unusable::NoMessage) }
    }

    pub(super) fn read(sequence: Position, epoch: i32, headers: &HeaderMap, body: &[u8]) -> Self {
        Self { sequence, content: content(sequence, epoch, headers, body) }
    }
}

fn content(sequence: Position, epoch: i32, headers: &HeaderMap, body: &[u8]) -> Content {
    let text = |name: &'static str| headers.get(name).map(async_nats::HeaderValue::as_str);
    if text(header::BODY) == Some(header::BODY_IN_LOG) {
        return Content::Unusable(Unusable::BodyInLog);
    }
    let Ok(event) = serde_json::from_slice::<RecordedEvent>(body) else {
        return Content::Unusable(Unusable::NotOurs);
    };
    let id = text(header::MESSAGE_ID).or_else(|| text(header::EVENT_ID)).and_then(|id| id.parse().ok());
    let ours = event.position == sequence
        && id == Some(event.event_id)
        && text(header::EPOCH).and_then(|epoch| epoch.parse().ok()) == Some(epoch);
    if !ours {
        return Content::Unusable(Unusable::NotOurs);
    }
    let bytes = |name| text(name).and_then(|text| STANDARD.decode(text).ok());
    let salt = bytes(header::SALT).and_then(|salt| Salt::try_from(salt).ok());
    let payload_hash = bytes(header::PAYLOAD_HASH).and_then(|hash| Hash::try_from(hash).ok());
    let continues = headers.get(header::CONTINUES).is_some();
    Content::Event(Box::new(SurplusEvent { event, salt, payload_hash, continues }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::Name;
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;
    use crate::stream::{Encoder, StreamConfig};

    fn back(salt: Option<&[u8]>) -> SurplusEvent {
        let text = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let event = RecordedEvent {
            position: 7,
            event_id: Uuid::from_u128(1),
            aggregate_type: Name::constant("node"),
            aggregate_id: Uuid::from_u128(2),
            version: 3,
            event_type: Name::constant("NodeTied"),
            schema_version: 1,
            payload: text(r#"{"title": {"$redacted": true}}"#),
            metadata: text("{}"),
            recorded_at: chrono::DateTime::UNIX_EPOCH,
        };
        let encoder = Encoder::new(&StreamConfig::production(1), &Arc::default());
        let message = encoder.encode(&event, 1 << 20).salted(salt, &[9; 32]);
        let read = SurplusMessage::read(7, 1, &message.headers, &message.body);
        let Content::Event(event) = read.content else { panic!("{read:?}") };
        *event
    }

    #[test]
    fn a_redacted_event_comes_back_with_the_hash_it_had_and_every_other_with_its_salt() {
        let redacted = back(None);
        assert_eq!((redacted.salt, redacted.payload_hash), (None, Some([9; 32])));
        let whole = back(Some(&[3; 16]));
        assert_eq!((whole.salt, whole.payload_hash), (Some([3; 16]), None));
    }
}
