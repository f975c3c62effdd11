//! The executor: one command against one aggregate.
//!
//! `execute` (the loop) → `load` (state, from memory or the log) → `decide` (rules) →
//! `plan` (the append) → the appender → `answer`. Memory is only ever a guess: what was read is
//! asserted in the append, and a "no" from memory is confirmed before it is given.

pub(crate) mod cache;
mod execute;
pub(crate) mod load;
mod plan;
mod queues;
mod verdict;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use eventstore::{LogPool, append::Appender, keys::KeyStore, seal::Sealer};
use kernel::Clock;

use self::{cache::Cache, queues::Queues};

/// What the executor works with.
#[derive(Clone)]
pub struct ExecutorDeps {
    pub log: LogPool,
    pub appender: Appender,
    pub sealer: Sealer,
    pub keys: Arc<dyn KeyStore>,
    pub clock: Arc<dyn Clock>,
}

/// Sizes of the executor.
#[derive(Debug, Clone, Copy)]
pub struct ExecutorConfig {
    /// Bytes of aggregate state kept in memory. Too low: every command reads its aggregate from
    /// the log; too high: nothing but memory.
    pub cache_bytes: u64,
    /// Seconds an aggregate may stay in memory; bounds how long a forgotten person's plaintext
    /// can survive here when nobody announces the erasure.
    pub cache_seconds: u64,
    /// Versions between two snapshots of one aggregate.
    pub snapshot_every: i64,
    /// How often a command is decided again after losing to another process.
    pub retries: u32,
}

impl Default for ExecutorConfig {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, cache_seconds: 60, snapshot_every: 100, retries: 5 }
    }
}

/// Counters for the metrics endpoint.
#[derive(Debug, Default)]
pub struct ExecutorStats {
    pub cache_hits: AtomicU64,
    pub cache_misses: AtomicU64,
    pub decided_again: AtomicU64,
    pub snapshots: AtomicU64,
}

impl ExecutorStats {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs commands. Cheap to clone; all clones share cache and queues.
#[derive(Clone)]
pub struct Executor {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) deps: ExecutorDeps,
    pub(crate) config: ExecutorConfig,
    pub(crate) cache: Cache,
    pub(crate) queues: Queues,
    pub(crate) stats: ExecutorStats,
}

impl Executor {
    #[must_use]
    pub fn new(deps: ExecutorDeps, config: ExecutorConfig) -> Self {
        let inner = Inner {
            deps,
            config,
            cache: Cache::new(config),
            queues: Queues::default(),
            stats: ExecutorStats::default(),
        };
        let inner = Arc::new(inner);
        let weak = Arc::downgrade(&inner);
        inner.deps.keys.on_erasure(Box::new(move |_| {
            if let Some(inner) = weak.upgrade() {
                inner.cache.begin_anew();
            }
        }));
        Self { inner }
    }

    #[must_use]
    pub fn stats(&self) -> &ExecutorStats {
        &self.inner.stats
    }

    /// Share of the append queue in use, 0.0 to 1.0.
    #[must_use]
    pub fn pressure(&self) -> f64 {
        self.inner.deps.appender.pressure()
    }
}
