use std::{fmt::Debug, hash::Hash};

use crate::{Name, RecordedEvent};

/// An event that this reader cannot understand. The message names types, fields and places,
/// never a value: it ends in logs and in `parked_events`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undecodable(String);

impl Undecodable {
    /// `reason` must not quote the payload.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// Keeps the category and place of a JSON error and drops its text, which may quote a value.
    #[must_use]
    pub fn from_json(event_type: &Name, error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a field has another shape than expected",
            _ => "not valid JSON",
        };
        Self(format!("{event_type}: {what} (line {}, column {})", error.line(), error.column()))
    }
}

/// A replayable read model as a pure fold: events in, rows by key out.
///
/// The sink (Postgres, search engine, Redis) is somebody else's: it loads the rows of the keys
/// that a page of events touches, folds the page in memory and writes every row once.
pub trait Projection: Send + Sync + 'static {
    /// Which row an event is about. Its text form names a parked key.
    type Key: Clone + Debug + Eq + Ord + Hash + ToString + Send + Sync;
    type Row: Clone + Debug + Send + Sync;
    /// The decoded payload.
    type Event: Send + Sync;

    /// Stable; checkpoints, schemas and metrics are named after it (`[a-z_]{1,40}`).
    const NAME: &'static str;
    /// Event types it consumes; none named: every one there is or will be. Count and digest of the
    /// sentinel cover exactly these.
    const EVENT_TYPES: &'static [&'static str];

    /// Whether events of this type are its business.
    #[must_use]
    fn wants(event_type: &Name) -> bool {
        Self::EVENT_TYPES.is_empty() || Self::EVENT_TYPES.contains(&event_type.as_str())
    }

    /// # Errors
    /// [`Undecodable`] parks the event's keys, see [`Projection::keys_without_payload`].
    fn decode(&self, event: &RecordedEvent) -> Result<Self::Event, Undecodable>;

    /// The rows this event touches.
    fn keys(&self, event: &Self::Event, recorded: &RecordedEvent) -> Vec<Self::Key>;

    /// The keys of an event whose payload cannot be read; empty means that the projection has
    /// to stop, because it cannot say what the event would have changed.
    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<Self::Key>;

    /// The row after the event; `None` is "no row". Pure and total: no clock, no randomness.
    ///
    /// # Errors
    /// [`Undecodable`] when the event cannot be applied to this row; parks the key.
    fn fold(
        &self,
        key: &Self::Key,
        row: Option<Self::Row>,
        event: &Self::Event,
        recorded: &RecordedEvent,
    ) -> Result<Option<Self::Row>, Undecodable>;
}
