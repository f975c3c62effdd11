use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use kernel::Position;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Filter, LiveEvent};

/// Events that may wait for one listener. Too low: a phone in a tunnel is cut off; too high: memory
/// of those who never come back, though an event is shared by all whom it waits for.
const QUEUE: usize = 256;

/// Before the reader knows where the log ends.
const UNKNOWN: Position = -1;

/// Everybody in this process who has caught up, and how far they have been told.
pub struct Registry {
    inner: Mutex<Inner>,
    position: AtomicI64,
    pub delivered: AtomicU64,
    /// Cut off because they did not read.
    pub slow: AtomicU64,
}

#[derive(Default)]
struct Inner {
    listeners: HashMap<u64, Entry>,
    next: u64,
}

struct Entry {
    filter: Arc<Filter>,
    /// It has seen everything up to here.
    after: Position,
    queue: mpsc::Sender<Arc<LiveEvent>>,
    cut: CancellationToken,
}

/// One listener's end. Leaving is dropping it.
pub struct Seat {
    pub events: mpsc::Receiver<Arc<LiveEvent>>,
    registry: Arc<Registry>,
    id: u64,
}

impl Default for Registry {
    fn default() -> Self {
        let (inner, position) = (Mutex::default(), AtomicI64::new(UNKNOWN));
        Self { inner, position, delivered: AtomicU64::new(0), slow: AtomicU64::new(0) }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all listeners have been told of, if they were to be; 0 before anybody can be told.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position.load(Relaxed).max(0)
    }

    /// Whether listeners can be told of anything.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.position.load(Relaxed) != UNKNOWN
    }

    #[must_use]
    pub fn listeners(&self) -> usize {
        self.lock().listeners.len()
    }

    /// From here on everything behind `after`, or behind now; `None` when the others have been told
    /// of more already, or nobody can be told: then it has to catch up first. `cut` ends its connection when it does not
    /// read.
    pub fn join(
        self: &Arc<Self>,
        filter: &Arc<Filter>,
        after: Option<Position>,
        cut: &CancellationToken,
    ) -> Option<(Seat, Position)> {
        let mut inner = self.lock();
        // Written under this lock only, so nothing is told in between.
        let told = self.position.load(Relaxed);
        let after = after.unwrap_or(told);
        if after < told || told == UNKNOWN {
            return None;
        }
        let (queue, events) = mpsc::channel(QUEUE);
        let id = inner.next;
        inner.next += 1;
        let entry = Entry { filter: Arc::clone(filter), after, queue, cut: cut.clone() };
        inner.listeners.insert(id, entry);
        Some((Seat { events, registry: Arc::clone(self), id }, after))
    }

    /// Moves on without telling anybody, when nobody is there; says whether it could.
    pub(super) fn skip_to(&self, position: Position) -> bool {
        let inner = self.lock();
        if inner.listeners.is_empty() {
            self.position.store(position, Relaxed);
        }
        inner.listeners.is_empty()
    }

    /// Tells everybody, in order, and has then told of everything up to `position`.
    pub(super) fn publish(&self, events: &[Arc<LiveEvent>], position: Position) {
        let mut inner = self.lock();
        let mut delivered = 0;
        inner.listeners.retain(|_, entry| {
            for event in events {
                if event.position <= entry.after || !entry.filter.matches(event) {
                    continue;
                }
                match entry.queue.try_send(Arc::clone(event)) {
                    Ok(()) => delivered += 1,
                    Err(mpsc::error::TrySendError::Closed(_)) => return false,
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        self.slow.fetch_add(1, Relaxed);
                        entry.cut.cancel();
                        return false;
                    }
                }
            }
            true
        });
        self.delivered.fetch_add(delivered, Relaxed);
        self.position.store(position, Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.registry.lock().listeners.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kernel::Name;
    use projections::live::{About, Audience};
    use uuid::Uuid;

    use super::*;

    fn event(position: Position) -> Arc<LiveEvent> {
        let about = About {
            node: None,
            conversation: None,
            account: None,
            owner: None,
            places: [None; 2],
            audience: Audience::Everybody,
        };
        Arc::new(LiveEvent {
            position,
            aggregate_type: Name::constant("node"),
            aggregate_id: Uuid::nil(),
            event_type: Name::constant("NodeTied"),
            about,
            audience: Audience::Everybody,
            actor: None,
            frame: Bytes::new(),
            json: (0, 0),
        })
    }

    #[test]
    fn who_joins_where_the_others_are_misses_and_repeats_nothing() {
        let (registry, filter, cut) =
            (Arc::new(Registry::default()), Arc::default(), CancellationToken::new());
        assert!(!registry.is_ready() && registry.join(&filter, Some(9), &cut).is_none());
        assert!(registry.skip_to(5) && registry.is_ready());
        assert!(registry.join(&filter, Some(4), &cut).is_none(), "it has to catch up");
        let (mut now, from) = registry.join(&filter, None, &cut).unwrap();
        let (mut ahead, _) = registry.join(&filter, Some(6), &cut).unwrap();
        assert_eq!(from, 5);
        assert!(!registry.skip_to(6), "somebody listens");
        registry.publish(&[event(6), event(7)], 7);
        let heard = |seat: &mut Seat| {
            let mut positions = vec![];
            while let Ok(event) = seat.events.try_recv() {
                positions.push(event.position);
            }
            positions
        };
        assert_eq!((heard(&mut now), heard(&mut ahead)), (vec![6, 7], vec![7]));
        drop(now);
        assert_eq!(registry.listeners(), 1);
    }

    #[test]
    fn who_does_not_read_is_cut_off_and_nobody_else() {
        let (registry, filter) = (Arc::new(Registry::default()), Arc::default());
        let (slow, quick) = (CancellationToken::new(), CancellationToken::new());
        assert!(registry.skip_to(0));
        let (mut sleeping, _) = registry.join(&filter, None, &slow).unwrap();
        let (mut reading, _) = registry.join(&filter, None, &quick).unwrap();
        for position in 1..=QUEUE as i64 + 1 {
            registry.publish(&[event(position)], position);
            assert_eq!(reading.events.try_recv().unwrap().position, position);
        }
        assert!(slow.is_cancelled() && !quick.is_cancelled());
        assert_eq!(registry.listeners(), 1);
        let mut left = 0;
        while sleeping.events.try_recv().is_ok() {
            left += 1;
        }
        assert_eq!(left, QUEUE, "what waits is bounded");
    }
}
