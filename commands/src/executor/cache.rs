use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::Aggregate;
use kernel::{Position, Version};
use quick_cache::{Weighter, sync};
use tokio::time::Instant;
use uuid::Uuid;

use super::ExecutorConfig;

/// An aggregate as it was when it was last looked at.
#[derive(Debug)]
pub(crate) struct Loaded<A> {
    pub state: A,
    /// 0: no such aggregate, or it was not looked for (a creating command).
    pub version: Version,
    pub last_position: Position,
    /// `occurred_at` of its last event.
    pub last_at: Option<DateTime<Utc>>,
    /// Rough size in memory.
    pub bytes: u64,
    /// Another aggregate type lives under this id.
    pub foreign: bool,
    /// The cache's age when the first of it was read: what was read before somebody was forgotten
    /// is not kept.
    pub age: u64,
}

impl<A: Default> Default for Loaded<A> {
    fn default() -> Self {
        Self {
            state: A::default(),
            version: 0,
            last_position: 0,
            last_at: None,
            bytes: 0,
            foreign: false,
            age: 0,
        }
    }
}

/// The state of an aggregate that began beside another one's events.
pub(crate) trait Newborn: Send + Sync {
    /// Takes it into memory once it is in the log. `about` says everything but the state.
    fn keep(self: Box<Self>, cache: &Cache, id: Uuid, about: Loaded<()>);
}

impl<A: Aggregate> Newborn for A {
    fn keep(self: Box<Self>, cache: &Cache, id: Uuid, about: Loaded<()>) {
        let Loaded { state: (), version, last_position, last_at, bytes, foreign, age } = about;
        let loaded = Loaded { state: *self, version, last_position, last_at, bytes, foreign, age };
        cache.put_fresh(id, Arc::new(loaded));
    }
}

#[derive(Clone)]
struct Entry {
    loaded: Arc<dyn Any + Send + Sync>,
    bytes: u64,
    since: Instant,
    /// It may stay however old it is.
    wordless: bool,
    age: u64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Uuid, Entry> for Bytes {
    fn weight(&self, _: &Uuid, entry: &Entry) -> u64 {
        // The entry's own overhead counts too, or a million tiny aggregates would weigh nothing.
        entry.bytes + 256
    }
}

/// Recently used aggregates, bounded by bytes, and those that hold words by age, too.
pub(crate) struct Cache {
    entries: sync::Cache<Uuid, Entry, Bytes>,
    max_age: Duration,
    age: AtomicU64,
}

impl Cache {
    pub(super) fn new(config: ExecutorConfig) -> Self {
        let items = usize::try_from(config.cache_bytes / 1024).unwrap_or(usize::MAX).max(16);
        Self {
            entries: sync::Cache::with_weighter(items, config.cache_bytes, Bytes),
            max_age: Duration::from_secs(config.cache_seconds),
            age: AtomicU64::new(1),
        }
    }

    pub(super) fn get<A: Aggregate>(&self, id: Uuid) -> Option<Arc<Loaded<A>>> {
        let entry = self.entries.get(&id)?;
        let old = !entry.wordless && entry.since.elapsed() > self.max_age;
        if old || entry.age != self.age() {
            self.entries.remove(&id);
            return None;
        }
        // Another type under this id is found again in the log, where it is refused.
        entry.loaded.downcast().ok()
    }

    pub(super) fn put<A: Aggregate>(&self, id: Uuid, loaded: Arc<Loaded<A>>) {
        // An aggregate that was read again and again keeps the age of its oldest copy, because
        // its state was only ever carried forward.
        let since = self.entries.get(&id).map_or_else(Instant::now, |entry| entry.since);
        self.insert(id, loaded, since);
    }

    pub(super) fn put_fresh<A: Aggregate>(&self, id: Uuid, loaded: Arc<Loaded<A>>) {
        self.insert(id, loaded, Instant::now());
    }

    fn insert<A: Aggregate>(&self, id: Uuid, loaded: Arc<Loaded<A>>, since: Instant) {
        let (bytes, age) = (loaded.bytes, loaded.age);
        self.entries.insert(id, Entry { loaded, bytes, since, wordless: !A::HOLDS_WORDS, age });
    }

    /// To be taken before anything is read.
    pub(super) fn age(&self) -> u64 {
        self.age.load(Ordering::SeqCst)
    }

    /// Somebody was forgotten: what was decrypted before is dropped, and what is being read now is
    /// not kept. All of it, because an aggregate does not say whose data it holds.
    pub(super) fn begin_anew(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
    }

    pub(crate) fn drop(&self, id: Uuid) {
        self.entries.remove(&id);
    }
}
