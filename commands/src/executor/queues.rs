use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

const SHARDS: usize = 64;

type Shard = Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>;

/// One queue per aggregate: its commands are decided in turn, each on the state after the one
/// before. Without it, callers on one hot aggregate would mostly refuse each other.
pub(crate) struct Queues {
    shards: Vec<Shard>,
}

impl Default for Queues {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

/// It is this command's turn until the guard is dropped.
pub(super) struct Turn<'a> {
    queues: &'a Queues,
    id: Uuid,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Queues {
    fn shard(&self, id: Uuid) -> &Shard {
        // The last bytes of every kind of id are its most random ones.
        &self.shards[usize::from(id.as_bytes()[15]) % SHARDS]
    }

    /// Waits for one's turn, first come first served.
    pub(super) async fn turn(&self, id: Uuid) -> Turn<'_> {
        let queue = {
            let mut shard = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shard.entry(id).or_default())
        };
        Turn { queues: self, id, guard: Some(queue.lock_owned().await) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut shard = self.queues.shard(self.id).lock().unwrap_or_else(PoisonError::into_inner);
        self.guard.take();
        // New waiters join only under the shard's lock, so one reference means nobody waits.
        if let Entry::Occupied(entry) = shard.entry(self.id)
            && Arc::strong_count(entry.get()) == 1
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_queue_that_nobody_waits_in_is_gone() {
        let queues = Queues::default();
        let id = Uuid::from_u128(7);
        let first = queues.turn(id).await;
        drop(first);
        assert!(queues.shard(id).lock().unwrap().is_empty());
    }
}
