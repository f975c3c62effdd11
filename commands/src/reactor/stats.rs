use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use kernel::Position;

/// For the metrics endpoint.
#[derive(Debug, Default)]
pub struct ReactorStats {
    position: AtomicI64,
    lag: AtomicI64,
    steps: AtomicU64,
    troubles: AtomicU64,
}

impl ReactorStats {
    pub(super) fn at(&self, position: Position, head: Position) {
        self.position.store(position, Ordering::Relaxed);
        self.lag.store((head - position).max(0), Ordering::Relaxed);
    }

    pub(super) fn stepped(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn troubled(&self) {
        self.troubles.fetch_add(1, Ordering::Relaxed);
    }

    /// All events up to here are done.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position.load(Ordering::Relaxed)
    }

    /// Events not looked at yet.
    #[must_use]
    pub fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Appends made.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Steps that failed and were tried again.
    #[must_use]
    pub fn troubles(&self) -> u64 {
        self.troubles.load(Ordering::Relaxed)
    }
}
