use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind};
use kernel::Position;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{StreamClient, StreamError, header};

/// How the stream stands, for status and metrics.
#[derive(Debug, Clone)]
pub struct StreamState {
    pub name: String,
    /// First message still there; last + 1 when there is none.
    pub first: Position,
    /// Last sequence given out, whether its message is still there or not.
    pub last: Position,
    pub messages: u64,
    pub bytes: u64,
    /// Holes between first and last.
    pub deleted: u64,
    pub consumers: u64,
    /// The configuration as the server reports it.
    pub config: Map<String, Value>,
}

impl StreamState {
    pub(super) fn parse(info: &Value) -> Self {
        let state = &info["state"];
        let number = |field: &str| state[field].as_u64().unwrap_or_default();
        // Sequences beyond i64 would take 292,000 years at a million events a second.
        let position = |field: &str| i64::try_from(number(field)).unwrap_or(i64::MAX);
        let config = info["config"].as_object().cloned().unwrap_or_default();
        let (first, last) = (position("first_seq"), position("last_seq"));
        // A stream that was made with a first sequence and is empty still reports 0 on some servers.
        let start = config.get("first_seq").and_then(Value::as_i64).unwrap_or(1).max(1);
        let last = if number("messages") == 0 { last.max(start - 1) } else { last };
        Self {
            name: config.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            first: if number("messages") == 0 { last + 1 } else { first },
            last,
            messages: number("messages"),
            bytes: number("bytes"),
            deleted: number("num_deleted"),
            consumers: number("consumer_count"),
            config,
        }
    }

    /// Share of `max_bytes` in use, 0.0 when unlimited. Above 0.8 is an alarm.
    #[must_use]
    pub fn fullness(&self) -> f64 {
        match self.config.get("max_bytes").and_then(Value::as_i64) {
            Some(max) if max > 0 => self.bytes as f64 / max as f64,
            _ => 0.0,
        }
    }
}

/// What a message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId {
    pub sequence: Position,
    /// None in a message that is not ours.
    pub event_id: Option<Uuid>,
    /// Its `Position` header.
    pub position: Option<Position>,
    pub epoch: Option<i32>,
}

impl StreamClient {
    /// # Errors
    /// [`StreamError::Missing`] without a stream, [`StreamError`] when JetStream cannot be asked.
    pub async fn state(&self) -> Result<StreamState, StreamError> {
        self.state_of(self.name()).await
    }

    pub(super) async fn state_of(&self, name: &str) -> Result<StreamState, StreamError> {
        let info = self.api("stream state", format!("STREAM.INFO.{name}"), &json!({})).await?;
        Ok(StreamState::parse(&info))
    }

    /// The message at a sequence, asked of the stream's leader.
    ///
    /// # Errors
    /// [`StreamError`] when JetStream cannot be asked.
    pub async fn message_at(&self, sequence: Position) -> Result<Option<MessageId>, StreamError> {
        // Asked for 0 the server complains instead of finding nothing.
        let Some(wanted) = u64::try_from(sequence).ok().filter(|sequence| *sequence > 0) else {
            return Ok(None);
        };
        let stream = self.handle().await?;
        match stream.get_raw_message(wanted).await {
            Ok(message) => Ok(Some(MessageId::of(sequence, &message.headers))),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(StreamError::Unreachable(error.kind().to_string())),
        }
    }

    /// The newest message that is still there.
    ///
    /// # Errors
    /// [`StreamError`] when JetStream cannot be asked.
    pub async fn last_message(&self) -> Result<Option<MessageId>, StreamError> {
        let stream = self.handle().await?;
        match stream.get_last_raw_message_by_subject(super::SUBJECTS).await {
            Ok(message) => {
                let sequence = i64::try_from(message.sequence).unwrap_or(i64::MAX);
                Ok(Some(MessageId::of(sequence, &message.headers)))
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(StreamError::Unreachable(error.kind().to_string())),
        }
    }

    async fn handle(&self) -> Result<async_nats::jetstream::stream::Stream<()>, StreamError> {
        // Asks nothing; fails only for a name that is none.
        self.jetstream()
            .get_stream_no_info(self.name())
            .await
            .map_err(|error| StreamError::Unreachable(error.to_string()))
    }
}

impl MessageId {
    pub(super) fn of(sequence: Position, headers: &async_nats::HeaderMap) -> Self {
        let text = |name: &'static str| headers.get(name).map(async_nats::HeaderValue::as_str);
        Self {
            sequence,
            event_id: text(header::MESSAGE_ID)
                .or_else(|| text(header::EVENT_ID))
                .and_then(|id| id.parse().ok()),
            position: text(header::POSITION).and_then(|position| position.parse().ok()),
            epoch: text(header::EPOCH).and_then(|epoch| epoch.parse().ok()),
        }
    }
}
