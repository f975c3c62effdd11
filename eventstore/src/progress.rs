use std::sync::atomic::{AtomicI64, Ordering};

use kernel::Position;

/// How far somebody who follows the log is, for metrics and status.
#[derive(Debug, Default)]
pub struct Progress {
    position: AtomicI64,
    head: AtomicI64,
}

impl Progress {
    pub fn reached(&self, position: Position) {
        self.position.store(position, Ordering::Relaxed);
    }

    pub fn saw_head(&self, head: Position) {
        self.head.store(head, Ordering::Relaxed);
    }

    pub fn position(&self) -> Position {
        self.position.load(Ordering::Relaxed)
    }

    pub fn head(&self) -> Position {
        self.head.load(Ordering::Relaxed)
    }

    /// Events behind the newest head known; the caller may know a newer one.
    pub fn lag_behind(&self, head: Position) -> i64 {
        (self.head().max(head) - self.position()).max(0)
    }
}
