use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// A request's connection, for handlers that keep it: part of every request's extensions.
#[derive(Clone)]
pub struct Seat(Arc<Inner>);

struct Inner {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    cut: CancellationToken,
    kept: AtomicBool,
}

impl Seat {
    #[must_use]
    pub fn new(permit: OwnedSemaphorePermit) -> Self {
        let (permit, cut) = (Mutex::new(Some(permit)), CancellationToken::new());
        Self(Arc::new(Inner { permit, cut, kept: AtomicBool::new(false) }))
    }

    /// It is no connection of requests any more: its place among those is free, and whoever keeps
    /// it counts it elsewhere. The kernel then holds little of what is sent on it.
    pub fn keep(&self) {
        self.0.kept.store(true, Relaxed);
        drop(self.0.permit.lock().unwrap_or_else(PoisonError::into_inner).take());
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
