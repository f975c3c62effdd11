use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

use kernel::Position;

use crate::progress::Progress;

/// What a sealer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SealingState {
    Starting = 0,
    Sealing = 1,
    /// Another one holds the lease.
    StandBy = 2,
    /// The database or the checkpoint file is away; it tries again.
    Waiting = 3,
    /// Log, stored tree and checkpoint file differ, or a signing key is missing. An alarm.
    Refused = 4,
    Stopped = 5,
}

/// Counters of one sealer.
#[derive(Debug, Default)]
pub struct SealingStats {
    pub(super) seals: AtomicU64,
    pub(super) progress: Progress,
    pub(super) lag_micros: AtomicI64,
    state: AtomicU8,
}

impl SealingStats {
    /// Checkpoints signed by this process.
    #[must_use]
    pub fn seals(&self) -> u64 {
        self.seals.load(Ordering::Relaxed)
    }

    /// Last position that a checkpoint covers.
    #[must_use]
    pub fn position(&self) -> Position {
        self.progress.position()
    }

    /// Events no checkpoint covers, when the caller knows a head.
    #[must_use]
    pub fn lag_behind(&self, head: Position) -> i64 {
        self.progress.lag_behind(head)
    }

    /// Age of the oldest event of the last seal when it was sealed, in seconds.
    #[must_use]
    pub fn last_lag_seconds(&self) -> f64 {
        self.lag_micros.load(Ordering::Relaxed) as f64 / 1e6
    }

    #[must_use]
    pub fn state(&self) -> SealingState {
        match self.state.load(Ordering::Relaxed) {
            1 => SealingState::Sealing,
            2 => SealingState::StandBy,
            3 => SealingState::Waiting,
            4 => SealingState::Refused,
            5 => SealingState::Stopped,
            _ => SealingState::Starting,
        }
    }

    pub(super) fn set_state(&self, state: SealingState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}
