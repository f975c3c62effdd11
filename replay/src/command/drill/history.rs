use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use eventstore::append::{Append, Committed};
use uuid::Uuid;

/// Everything that callers were told, kept outside the system that told it.
#[derive(Default)]
pub struct History(Mutex<Told>);

#[derive(Default)]
pub struct Told {
    pub acknowledged: Vec<Acknowledged>,
    /// Requests whose answer was lost with the primary.
    pub unknown: Vec<Append>,
}

/// One request that was answered `committed`.
pub struct Acknowledged {
    /// Answers of a dying server come in after it was killed: the epoch says whose they are.
    pub epoch: i32,
    pub first_position: i64,
    pub event_ids: Vec<Uuid>,
    pub at: Instant,
    /// Kept where it has an idempotency key and is to be sent again.
    pub append: Option<Append>,
}

impl Acknowledged {
    /// Each event with the position it was given.
    pub fn events(&self) -> impl Iterator<Item = (i64, Uuid)> + '_ {
        (self.first_position..).zip(self.event_ids.iter().copied())
    }
}

pub fn event_ids(append: &Append) -> Vec<Uuid> {
    append.writes.iter().flat_map(|write| write.events.iter().map(|event| event.event_id)).collect()
}

impl History {
    pub fn acknowledged(&self, append: Append, at: Committed) {
        let told = Acknowledged {
            epoch: at.epoch,
            first_position: at.first_position,
            event_ids: event_ids(&append),
            at: Instant::now(),
            append: append.receipt.is_some().then_some(append),
        };
        self.lock(|history| history.acknowledged.push(told));
    }

    pub fn unknown(&self, append: Append) {
        self.lock(|history| history.unknown.push(append));
    }

    pub fn told(self) -> Told {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lock<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
