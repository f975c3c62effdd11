use std::{any::Any, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
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
}

impl<A: Default> Default for Loaded<A> {
    fn default() -> Self {
        Self { state: A::default(), version: 0, last_position: 0, last_at: None, bytes: 0, foreign: false }
    }
}

#[derive(Clone)]
struct Entry {
    loaded: Arc<dyn Any + Send + Sync>,
    bytes: u64,
    since: Instant,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Uuid, Entry> for Bytes {
    fn weight(&self, _: &Uuid, entry: &Entry) -> u64 {
        // The entry's own overhead counts too, or a million tiny aggregates would weigh nothing.
        entry.bytes + 256
    }
}

/// Recently used aggregates, bounded by bytes and by age.
pub(crate) struct Cache {
    entries: sync::Cache<Uuid, Entry, Bytes>,
    max_age: Duration,
}

impl Cache {
    pub(super) fn new(config: ExecutorConfig) -> Self {
        let items = usize::try_from(config.cache_bytes / 1024).unwrap_or(usize::MAX).max(16);
        Self {
            entries: sync::Cache::with_weighter(items, config.cache_bytes, Bytes),
            max_age: Duration::from_secs(config.cache_seconds),
        }
    }

    pub(super) fn get<A: Send + Sync + 'static>(&self, id: Uuid) -> Option<Arc<Loaded<A>>> {
        let entry = self.entries.get(&id)?;
        if entry.since.elapsed() > self.max_age {
            self.entries.remove(&id);
            return None;
        }
        // Another type under this id is found again in the log, where it is refused.
        entry.loaded.downcast().ok()
    }

    pub(super) fn put<A: Send + Sync + 'static>(&self, id: Uuid, loaded: Arc<Loaded<A>>) {
        let bytes = loaded.bytes;
        // An aggregate that was read again and again keeps the age of its oldest copy, because
        // its state was only ever carried forward.
        let since = self.entries.get(&id).map_or_else(Instant::now, |entry| entry.since);
        self.entries.insert(id, Entry { loaded, bytes, since });
    }

    pub(super) fn put_fresh<A: Send + Sync + 'static>(&self, id: Uuid, loaded: Arc<Loaded<A>>) {
        let bytes = loaded.bytes;
        self.entries.insert(id, Entry { loaded, bytes, since: Instant::now() });
    }

    pub(crate) fn drop(&self, id: Uuid) {
        self.entries.remove(&id);
    }
}
