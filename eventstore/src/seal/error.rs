use kernel::Class;
use uuid::Uuid;

use crate::{canonical::NotCanonical, keys::KeyError};

/// Why a batch of events was not sealed. Nothing of the batch was changed then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealError {
    /// Rejected: the person is forgotten, nothing new about them may be stored.
    #[error("event {event}: the person's {} data was forgotten (field `{field}`)", class.as_str())]
    Erased { event: Uuid, field: String, subject: Uuid, class: Class },
    /// A mistake of the aggregate: it repeated a value from its state without `Personal::renewed()`.
    #[error("event {event} carries `{marker}` at `{field}`: only fresh personal values may be appended")]
    NotFresh { event: Uuid, field: String, marker: &'static str },
    #[error("event {event} carries a malformed `$personal` at `{field}`")]
    Malformed { event: Uuid, field: String },
    #[error("event {event}, field `{field}`: {error}")]
    NotCanonical { event: Uuid, field: String, error: NotCanonical },
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// Why sealed fields were not opened. Names the event and field, never a value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// Somebody changed or moved stored bytes.
    #[error("the sealed field `{field}` of event {event} is not authentic: {why}")]
    Tampered { event: Uuid, field: String, why: &'static str },
    #[error("a malformed `$sealed` at `{field}`")]
    Malformed { field: String },
    /// The envelope is right, what it holds has another shape than asked for.
    #[error("the sealed field `{field}` of event {event} holds another type")]
    OtherType { event: Uuid, field: String },
    /// The key store is another one, or older than the log. Never shown as erased.
    #[error("the key store does not know key {key} of the sealed field `{field}` of event {event}")]
    UnknownKey { event: Uuid, field: String, key: Uuid },
    #[error("the payload is not JSON (line {line}, column {column})")]
    NotJson { line: usize, column: usize },
    #[error(transparent)]
    Keys(#[from] KeyError),
}
