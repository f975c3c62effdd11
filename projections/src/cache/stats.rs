use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::rate::Rate;

/// How one view does; all but the rate since the process began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewCounts {
    pub view: &'static str,
    /// Served from the process.
    pub hits: u64,
    /// Served from Redis.
    pub shared_hits: u64,
    pub misses: u64,
    /// Asked for a position that nothing kept has, or while the log could not be followed.
    pub bypasses: u64,
    /// Answers that were made: fewer than misses, because those who ask together share one.
    pub loads: u64,
    /// Of the last five to ten minutes, without the bypasses; `None`: nobody asked.
    pub hit_rate: Option<f64>,
}

/// The numbers behind it.
#[derive(Debug, Default)]
pub(super) struct Counting {
    hits: AtomicU64,
    shared_hits: AtomicU64,
    misses: AtomicU64,
    bypasses: AtomicU64,
    pub loads: AtomicU64,
    rate: Mutex<Rate>,
}

impl Counting {
    fn rate(&self, hit: bool) {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).count(hit);
    }

    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.rate(true);
    }

    pub fn shared_hit(&self) {
        self.shared_hits.fetch_add(1, Ordering::Relaxed);
        self.rate(true);
    }

    pub fn missed(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        self.rate(false);
    }

    pub fn bypassed(&self) {
        self.bypasses.fetch_add(1, Ordering::Relaxed);
    }

    pub fn snapshot(&self, view: &'static str) -> ViewCounts {
        ViewCounts {
            view,
            hits: self.hits.load(Ordering::Relaxed),
            shared_hits: self.shared_hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bypasses: self.bypasses.load(Ordering::Relaxed),
            loads: self.loads.load(Ordering::Relaxed),
            hit_rate: self.rate.lock().unwrap_or_else(PoisonError::into_inner).share(),
        }
    }
}
