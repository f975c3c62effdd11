use std::time::Duration;

use domain::{Aggregate, DecideContext, EventPayload, Rejection};
use eventstore::{append::Reservation, keys::KeyStore};
use kernel::AggregateRef;
use serde_json::Value;
use uuid::Uuid;

use crate::executor::cache::Newborn;

/// What an aggregate needs besides its own rules: events of other streams in the same append,
/// and reservations. Registering an aggregate with the executor means implementing this.
pub trait Handler: Aggregate {
    /// Every command by its wire word, and whether it begins a new aggregate.
    const COMMANDS: &'static [CommandWord];

    /// There without being begun: no command creates it, and none misses it.
    const ALWAYS_THERE: bool = false;

    /// The type of the other aggregate a command depends on; `Self` where none does.
    type Reads: Aggregate;

    /// The other aggregate this command depends on. Its version is asserted in the append.
    fn reads(command: &Self::Command) -> Option<Uuid> {
        let _ = command;
        None
    }

    /// Whether the other aggregate's state lets the command happen.
    ///
    /// # Errors
    /// A [`Rejection`]: 404 when it is not there, 409 when its state forbids it.
    fn permits(other: &Self::Reads) -> Result<(), Rejection> {
        let _ = other;
        Ok(())
    }

    /// Adds to the append what has to happen together with these events. `before` is the state
    /// they were decided on. Called again when the append is decided again.
    ///
    /// # Errors
    /// A [`Rejection`] that only the other streams know.
    fn beside(
        before: &Self,
        events: &[Self::Event],
        context: &DecideContext,
        beside: &mut Beside<'_>,
    ) -> Result<(), Rejection>;

    /// What to answer when a reservation of this scope is taken or full.
    fn refused_reservation(scope: &str) -> Rejection;
}

/// One command of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandWord {
    pub word: &'static str,
    pub creates: bool,
}

/// Collects what goes along with an aggregate's own events.
pub struct Beside<'a> {
    pub(crate) keys: &'a dyn KeyStore,
    pub(crate) companions: Vec<Companion>,
    pub(crate) reservations: Vec<Reservation>,
}

/// Events of another, new stream in the same append.
pub(crate) struct Companion {
    pub aggregate: AggregateRef,
    pub expected: Expected,
    pub events: Vec<PendingEvent>,
    /// Its state after these events, when nothing speaks against keeping that in memory: what
    /// begins now is asked for next.
    pub born: Option<Box<dyn Newborn>>,
}

/// Which version a companion stream must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It begins with this append.
    New,
    /// It is read before the append, at whatever version it has.
    Current,
}

/// An event before it has an id.
#[derive(Clone)]
pub(crate) struct PendingEvent {
    pub event_type: kernel::Name,
    pub schema_version: i32,
    pub payload: Value,
}

impl PendingEvent {
    pub(crate) fn of<E: EventPayload>(event: &E) -> Self {
        Self {
            event_type: event.event_type(),
            schema_version: event.schema_version(),
            payload: event.to_payload(),
        }
    }
}

impl Beside<'_> {
    /// Begins another stream in the same append.
    pub fn begin<A: Aggregate>(&mut self, id: Uuid, events: &[A::Event]) {
        let mut state = A::default();
        events.iter().for_each(|event| state.apply(event));
        let born: Option<Box<dyn Newborn>> = if A::HOLDS_WORDS { None } else { Some(Box::new(state)) };
        self.push::<A>(id, Expected::New, events, born);
    }

    /// Continues another, existing stream in the same append.
    pub fn go_on<A: Aggregate>(&mut self, id: Uuid, events: &[A::Event]) {
        self.push::<A>(id, Expected::Current, events, None);
    }

    fn push<A: Aggregate>(
        &mut self,
        id: Uuid,
        expected: Expected,
        events: &[A::Event],
        born: Option<Box<dyn Newborn>>,
    ) {
        self.companions.push(Companion {
            aggregate: AggregateRef::new(A::TYPE, id),
            expected,
            events: events.iter().map(PendingEvent::of).collect(),
            born,
        });
    }

    /// Takes a name nobody else may have. Only its keyed hash is kept.
    pub fn take(&mut self, scope: &'static str, value: &str, owner: Uuid) {
        let hash = self.keys.keyed_hash(scope, value.as_bytes());
        self.reservations.push(Reservation::Take { scope, hash, owner });
    }

    /// Gives a taken name back.
    pub fn release(&mut self, scope: &'static str, value: &str, owner: Uuid) {
        let hash = self.keys.keyed_hash(scope, value.as_bytes());
        self.reservations.push(Reservation::Release { scope, hash, owner });
    }

    /// Moves a total of `owner` by `delta`; with a limit, refused when it would be passed.
    pub fn count(&mut self, scope: &'static str, owner: Uuid, delta: i64, limit: Option<i64>) {
        let hash = self.keys.keyed_hash(scope, owner.as_bytes());
        self.reservations.push(Reservation::Count { scope, hash, owner, delta, limit, window: None });
    }

    /// Counts one act of `owner` on `what` in a window of time that begins with the first; refused
    /// when there were `limit` already.
    pub fn count_within(
        &mut self,
        scope: &'static str,
        what: Uuid,
        owner: Uuid,
        limit: i64,
        window: Duration,
    ) {
        let value = [*what.as_bytes(), *owner.as_bytes()].concat();
        let hash = self.keys.keyed_hash(scope, &value);
        self.reservations.push(Reservation::Count {
            scope,
            hash,
            owner,
            delta: 1,
            limit: Some(limit),
            window: Some(window),
        });
    }
}
