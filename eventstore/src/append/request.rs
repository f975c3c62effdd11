use std::{sync::Arc, time::Duration};

use kernel::{AggregateRef, Name, NewEvent, Position, Version};
use rand::Rng;
use uuid::Uuid;

use crate::canonical::{self, NotCanonical};

/// One request: all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Append {
    pub writes: Vec<Write>,
    /// What the decision read besides: must still have these versions at the commit.
    pub asserts: Vec<Assert>,
    pub reservations: Vec<Reservation>,
    pub receipt: Option<Receipt>,
    /// Moves a reactor's checkpoint together with what it did.
    pub reactor: Option<ReactorStep>,
}

/// Events for one aggregate, in order.
#[derive(Debug, Clone)]
pub struct Write {
    pub aggregate: AggregateRef,
    /// The version the decision was made on; 0 creates.
    pub expected_version: Version,
    pub events: Vec<EventToStore>,
    /// Id of the aggregate in a system whose ids are no UUIDs; stored when the stream is created.
    pub external_id: Option<String>,
}

/// The aggregate must exist at exactly this version. Shared: does not block other asserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assert {
    pub aggregate: AggregateRef,
    /// Version read, ≥ 1. Absence cannot be asserted: there is no row to hold.
    pub version: Version,
}

/// Uniqueness and counted quotas. `hash` is a keyed hash that includes the scope.
#[derive(Debug, Clone)]
pub enum Reservation {
    /// One owner per key; taking again what one owns is fine.
    Take { scope: &'static str, hash: [u8; 32], owner: Uuid },
    /// Gives back what `owner` holds; nothing otherwise.
    Release { scope: &'static str, hash: [u8; 32], owner: Uuid },
    /// Adds `delta`; refused when the sum would pass `limit`. With a `window` the
    /// counter starts again that long after its first count, by the database's clock.
    Count {
        scope: &'static str,
        hash: [u8; 32],
        owner: Uuid,
        delta: i64,
        limit: Option<i64>,
        window: Option<Duration>,
    },
}

/// How far a reactor is: all events up to `position` are done, and of the next one's work
/// everything up to `cursor`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReactorPoint {
    pub position: Position,
    /// Empty between two events.
    pub cursor: String,
}

/// A step of a reactor: taken by one process only, whoever else tries finds the point moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactorStep {
    pub reactor: &'static str,
    pub from: ReactorPoint,
    pub to: ReactorPoint,
}

/// Makes the request idempotent: the same key gets the same outcome.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Keyed hash of (actor, key).
    pub key_hash: [u8; 32],
    /// Keyed hash of method, path, canonical body, If-Match.
    pub fingerprint: [u8; 32],
    /// The aggregate the command was addressed to.
    pub aggregate_id: Uuid,
    /// First version this request writes there; for a no-op, the version that was found.
    pub first_version: Version,
    /// Set for a no-op only.
    pub position: Option<Position>,
}

/// A receipt as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReceipt {
    pub aggregate_id: Uuid,
    pub first_version: Version,
    /// Events of the whole request, contiguous from the first.
    pub event_count: i32,
    pub position: Option<Position>,
}

/// An event ready to be written: sealed, canonical, hashed.
#[derive(Debug, Clone)]
pub struct EventToStore {
    pub event_id: Uuid,
    pub event_type: Name,
    pub schema_version: i32,
    /// Canonical JSON.
    pub payload: String,
    pub metadata: Arc<str>,
    pub salt: [u8; 16],
    pub payload_hash: [u8; 32],
}

impl EventToStore {
    /// Canonicalises and hashes an event whose personal fields are already sealed.
    ///
    /// # Errors
    /// [`NotCanonical`] when the payload holds what cannot be stored unchanged (NUL, a number
    /// beyond i64 and f64, too deep).
    pub fn prepare(event: NewEvent) -> Result<Self, NotCanonical> {
        let payload = canonical::canonical(&event.payload)?;
        let mut salt = [0u8; 16];
        rand::rng().fill_bytes(&mut salt);
        let payload_hash = canonical::payload_hash(Some(&salt), &payload);
        Ok(Self {
            event_id: event.event_id,
            event_type: event.event_type,
            schema_version: event.schema_version,
            payload,
            metadata: event.metadata,
            salt,
            payload_hash,
        })
    }
}

/// Where a committed request's events stand: contiguous, in the order of writes and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    pub epoch: i32,
    /// Position of the first event; of the log's head for a request without events.
    pub first_position: Position,
    pub last_position: Position,
}

/// Verdict on one request. Only `Committed` has written anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Committed(Committed),
    /// A written aggregate has another version than expected.
    Conflict {
        aggregate_id: Uuid,
        actual: Version,
    },
    /// An asserted aggregate has another version than was read.
    StaleAssert {
        aggregate_id: Uuid,
        actual: Version,
    },
    /// The reservation belongs to somebody else.
    Taken {
        scope: String,
    },
    OverLimit {
        scope: String,
        /// Until the window starts again; `None` for a total.
        retry_after: Option<Duration>,
    },
    /// The reactor is at another point than the step expected.
    StaleReactor,
    /// The same key with the same fingerprint was committed before.
    Replayed(StoredReceipt),
    /// The same key was used for another request.
    KeyReused,
}
