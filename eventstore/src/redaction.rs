//! Taking one plain field out of a stored event: the only change of the log there is.
//!
//! [`redact`] replaces the field by `{"$redacted": true}`, takes the salt away and appends the event
//! that says so, in one transaction; the payload's hash stays, so every proof holds. Needs the
//! owner's connection. What holds the field elsewhere is the caller's: the stream
//! ([`StreamClient::erase`](crate::stream::StreamClient::erase)), read models
//! ([`rebuild_since`](crate::generation::rebuild_since)), and the rest.

use std::sync::Arc;

use kernel::{Position, RecordedEvent};
use rand::Rng;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    StoreError,
    canonical::{NotCanonical, Salt, canonical, payload_hash},
    log::{self, PageLimit},
};

/// Which field, in the words of the event about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redact {
    pub position: Position,
    pub event_id: Uuid,
    /// JSON pointer into the payload.
    pub pointer: String,
    /// Stream of the redactions of this event.
    pub stream: Uuid,
    /// JSON, see [`Metadata`](kernel::Metadata).
    pub metadata: Arc<str>,
}

/// Why a field is not redacted. Names places, never values.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    #[error("there is no such event, or no such field in it")]
    NoSuchField,
    #[error("the field is redacted already")]
    Already,
    #[error("the field is personal data in its envelope: it goes with its person (`replay forget`)")]
    Personal,
    #[error("somebody else redacts the same event at this moment; try again")]
    TryAgain,
    #[error("what is left of the payload has no canonical form: {0}")]
    NotCanonical(#[from] NotCanonical),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RedactError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            Some("WG012") => Self::NoSuchField,
            Some("WG013") => Self::Already,
            Some("WG014") => Self::Personal,
            Some("WG001" | "23505") => Self::TryAgain,
            Some("WG002") => Self::Store(StoreError::Fenced),
            _ => Self::Store(error.into()),
        }
    }
}

/// The marker that takes a field's place.
fn marker() -> Value {
    json!({"$redacted": true})
}

/// The parts of a JSON pointer (RFC 6901).
fn parts(pointer: &str) -> Option<Vec<String>> {
    let rest = pointer.strip_prefix('/')?;
    Some(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// The payload without a field, and what stood there.
///
/// # Errors
/// [`RedactError`] when there is nothing that may be taken out.
pub fn without(payload: &Value, pointer: &str) -> Result<(Value, Value), RedactError> {
    let path = parts(pointer).ok_or(RedactError::NoSuchField)?;
    let mut left = payload.clone();
    let field = left.pointer_mut(pointer).ok_or(RedactError::NoSuchField)?;
    if *field == marker() {
        return Err(RedactError::Already);
    }
    if path.iter().any(|part| part.starts_with('$')) || holds_envelope(field) {
        return Err(RedactError::Personal);
    }
    let gone = std::mem::replace(field, marker());
    Ok((left, gone))
}

fn holds_envelope(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().any(|(name, field)| name == "$sealed" || holds_envelope(field))
        }
        Value::Array(items) => items.iter().any(holds_envelope),
        _ => false,
    }
}

/// The event at a position, as it is stored.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn event_at(pool: &PgPool, position: Position) -> Result<Option<RecordedEvent>, StoreError> {
    let one = PageLimit { events: 1, ..PageLimit::TAIL };
    let page = log::read_page(pool, position - 1, one).await?;
    Ok(page.into_iter().next().filter(|event| event.position == position))
}

/// Where the event about a redaction stands, if there is one; `version` is the last of its stream.
async fn told(pool: &PgPool, stream: Uuid, pointer: &str) -> Result<(i64, Option<Position>), StoreError> {
    let events = log::load_stream(pool, stream, 0).await?.events;
    let version = events.last().map_or(0, |event| event.version);
    let said = events.iter().rev().find(|event| {
        let payload: Option<Value> = serde_json::from_str(event.payload.get()).ok();
        payload.is_some_and(|payload| payload["pointer"] == *pointer)
    });
    Ok((version, said.map(|event| event.position)))
}

/// Takes the field out; the position of the event about it. The same again gives the same position.
/// `payload` makes that event's payload out of the hash of what is left.
///
/// # Errors
/// [`RedactError`]; then nothing was changed.
pub async fn redact(
    owner: &PgPool,
    epoch: i32,
    wish: &Redact,
    payload: impl Fn(String) -> Value,
) -> Result<Position, RedactError> {
    let event = event_at(owner, wish.position).await?;
    let event = event.filter(|event| event.event_id == wish.event_id).ok_or(RedactError::NoSuchField)?;
    let (version, said) = told(owner, wish.stream, &wish.pointer).await?;
    let stored: Value = serde_json::from_str(event.payload.get())
        .map_err(|_| StoreError::Internal("a stored payload is no JSON".to_owned()))?;
    let left = match (without(&stored, &wish.pointer), said) {
        (Ok((left, _)), _) => left,
        (Err(RedactError::Already), Some(position)) => return Ok(position),
        (Err(error), _) => return Err(error),
    };
    let path = parts(&wish.pointer).ok_or(RedactError::NoSuchField)?;
    let new_hash = payload_hash(None, &canonical(&left)?);
    let payload = payload(hex(&new_hash));
    let mut salt = Salt::default();
    rand::rng().fill_bytes(&mut salt);
    let hash = payload_hash(Some(&salt), &canonical(&payload)?);
    let metadata: Value = serde_json::from_str(&wish.metadata)
        .map_err(|_| StoreError::Internal("the metadata is no JSON".to_owned()))?;
    let at = sqlx::query_scalar!(
        r#"select redact_field($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as "at!""#,
        epoch,
        wish.position,
        wish.event_id,
        &path,
        wish.stream,
        version,
        Uuid::now_v7(),
        payload,
        metadata,
        &salt[..],
        &hash[..]
    )
    .fetch_one(owner)
    .await?;
    Ok(at)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_goes_and_nothing_else() {
        let payload = json!({"title": "Ada", "tags": ["a", "b"], "a/b": 1});
        let (left, gone) = without(&payload, "/tags/1").unwrap();
        assert_eq!((&left["tags"], &gone), (&json!(["a", {"$redacted": true}]), &json!("b")));
        assert_eq!(without(&payload, "/a~1b").unwrap().1, json!(1));
        for nowhere in ["", "title", "/none", "/tags/2", "/tags/-"] {
            assert!(matches!(without(&payload, nowhere), Err(RedactError::NoSuchField)), "{nowhere}");
        }
        assert!(matches!(without(&left, "/tags/1"), Err(RedactError::Already)));
    }

    #[test]
    fn what_is_sealed_stays() {
        let sealed = json!({"title": {"$sealed": {"box": "AA=="}}, "list": [{"$sealed": {}}]});
        for pointer in ["/title", "/title/$sealed", "/title/$sealed/box", "/list", "/list/0"] {
            assert!(matches!(without(&sealed, pointer), Err(RedactError::Personal)), "{pointer}");
        }
    }
}
