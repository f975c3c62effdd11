use kernel::{Name, Undecodable};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{DecideContext, Rejection};

/// A consistency boundary: state folded from its own events, and the rules that decide new ones.
pub trait Aggregate: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Bounded context, second token of the stream subject `events.<context>.<type>`.
    const CONTEXT: Name;
    /// Stored in every event; never changes.
    const TYPE: Name;
    /// Raise when the serialised state changes shape: older snapshots are then ignored.
    const SNAPSHOT_SCHEMA: i32;
    /// Whether the state holds anything that people wrote or that is about a person. What holds
    /// nothing of the kind may stay in memory for as long as there is room.
    const HOLDS_WORDS: bool = true;
    type Command: Send + Sync;
    type Event: EventPayload;

    /// The 403 checks of [`decide`](Self::decide) alone, by the command's wire word, for a command
    /// whose body could not be parsed: who may not act learns that (403) before what is wrong
    /// with the body (422). `decide` starts with the same checks. An unknown word passes.
    ///
    /// # Errors
    /// [`Rejection`] of the kind `Forbidden`.
    fn authorise(&self, command: &str, context: &DecideContext) -> Result<(), Rejection> {
        let _ = (command, context);
        Ok(())
    }

    /// Decides what happens: sync, pure, total. No event means "already so".
    ///
    /// # Errors
    /// [`Rejection`] when a rule forbids it; nothing has changed then.
    fn decide(&self, command: &Self::Command, context: &DecideContext)
    -> Result<Vec<Self::Event>, Rejection>;

    /// Takes an event in. Never fails: what is in the log has happened.
    fn apply(&mut self, event: &Self::Event);

    /// False until the first event; a command on a missing aggregate is 404 unless it creates.
    fn exists(&self) -> bool;
}

/// The events of one aggregate type, and their stored form.
pub trait EventPayload: Clone + Send + Sync + 'static {
    /// Every type this code can read, with its current schema version.
    const TYPES: &'static [(&'static str, i32)];

    fn event_type(&self) -> Name;
    fn schema_version(&self) -> i32;

    /// The payload object; personal fields as `$personal`.
    fn to_payload(&self) -> Value;

    /// Reads a stored payload of any version ever written (older ones through upcasters).
    ///
    /// # Errors
    /// [`Undecodable`] for an unknown type or version, or another shape.
    fn from_payload(event_type: &str, schema_version: i32, payload: &str) -> Result<Self, Undecodable>;
}
