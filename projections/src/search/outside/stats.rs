use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kernel::Position;

/// How the feeding of one engine goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeederCondition {
    #[default]
    Starting,
    /// It applies what comes.
    Following,
    /// Another process feeds this engine.
    StandBy,
    /// The first generation, or one after a loss, is being filled.
    Building,
    /// The engine or the log does not answer, or refuses.
    Away,
}

#[derive(Debug, Clone, Default)]
pub struct FeederSnapshot {
    pub condition: FeederCondition,
    pub generation: i32,
    pub position: Position,
    pub lag: i64,
    /// Documents sent, and how long all of that took.
    pub documents: u64,
    pub spent: Duration,
    pub builds: u64,
    pub problem: Option<String>,
}

/// Shared between the feeder and whoever asks about it.
#[derive(Debug, Clone, Default)]
pub struct FeederStats(Arc<Mutex<FeederSnapshot>>);

impl FeederStats {
    #[must_use]
    pub fn snapshot(&self) -> FeederSnapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut FeederSnapshot)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
