use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use kernel::Position;

use super::refusal::Refusal;
use crate::progress::Progress;

/// What a relay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RelayState {
    Starting = 0,
    Publishing = 1,
    /// Another relay holds the lease.
    StandBy = 2,
    /// NATS or Postgres is away; it tries again.
    Waiting = 3,
    /// Stream and log differ: somebody has to decide. An alarm.
    Forked = 4,
    /// The epoch has moved on, the configuration differs or the server is too old; or the stream
    /// takes nothing, see [`RelayStats::refusal`]. An alarm.
    Refused = 5,
    Stopped = 6,
}

/// Counters of one relay, for metrics and status.
#[derive(Debug, Default)]
pub struct RelayStats {
    /// Messages the stream has confirmed to this relay.
    pub published: AtomicU64,
    /// Messages that were sent and have to be sent again.
    pub resent: AtomicU64,
    /// Confirmed as duplicates: they had arrived before.
    pub duplicates: AtomicU64,
    /// Times the stream was asked where it stands.
    pub syncs: AtomicU64,
    /// Times the stream was found missing and made anew.
    pub created: AtomicU64,
    /// Times the stream had fallen behind what it had confirmed.
    pub rolled_back: AtomicU64,
    pub(super) progress: Progress,
    state: AtomicU8,
    refusal: AtomicU8,
}

impl RelayStats {
    /// Last position known to be in the stream.
    #[must_use]
    pub fn position(&self) -> Position {
        self.progress.position()
    }

    /// Last position known to be in the log.
    #[must_use]
    pub fn head(&self) -> Position {
        self.progress.head()
    }

    /// Events not in the stream yet, as far as this relay knows.
    #[must_use]
    pub fn lag(&self) -> i64 {
        self.lag_behind(0)
    }

    /// The same when the caller knows a head: a relay that waits for its stream does not look.
    #[must_use]
    pub fn lag_behind(&self, head: Position) -> i64 {
        self.progress.lag_behind(head)
    }

    #[must_use]
    pub fn state(&self) -> RelayState {
        match self.state.load(Ordering::Relaxed) {
            1 => RelayState::Publishing,
            2 => RelayState::StandBy,
            3 => RelayState::Waiting,
            4 => RelayState::Forked,
            5 => RelayState::Refused,
            6 => RelayState::Stopped,
            _ => RelayState::Starting,
        }
    }

    /// Why the stream took nothing of what was last sent; `None` once it has taken something.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        Refusal::from_number(self.refusal.load(Ordering::Relaxed))
    }

    pub(super) fn set_refusal(&self, refusal: Option<Refusal>) {
        self.refusal.store(refusal.map_or(0, |refusal| refusal as u8), Ordering::Relaxed);
    }

    pub(super) fn set_state(&self, state: RelayState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
