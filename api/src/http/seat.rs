use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio_util::sync::CancellationToken;

/// A request's connection, for handlers that keep it: part of every request's extensions.
#[derive(Clone)]
pub struct Seat(Arc<Inner>);

struct Inner {
    leave: Box<dyn Fn() + Send + Sync>,
    cut: CancellationToken,
    kept: AtomicBool,
}

impl Seat {
    /// `leave` gives its place among the connections of requests back; twice is once.
    #[must_use]
    pub fn new(cut: CancellationToken, leave: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { leave: Box::new(leave), cut, kept: AtomicBool::new(false) }))
    }

    /// It is no connection of requests any more: its place among those is free, and whoever keeps
    /// it counts it elsewhere. The kernel then holds little of what is sent on it.
    pub fn keep(&self) {
        self.0.kept.store(true, Relaxed);
        (self.0.leave)();
    }

    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.kept.load(Relaxed)
    }

    /// Cancelled, the connection is closed at once, whatever is on its way.
    #[must_use]
    pub fn cut(&self) -> &CancellationToken {
        &self.0.cut
    }
}
