use std::sync::{Arc, Mutex, PoisonError};

use kernel::Position;

/// What the feeder is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HotCondition {
    #[default]
    Starting,
    Following,
    /// Makes a generation from the log's beginning; answers come from the log meanwhile, unless
    /// an older generation is shown.
    Building,
    /// Redis is away; answers come from the log.
    Away,
}

#[derive(Debug, Clone, Default)]
pub struct HotSnapshot {
    pub condition: HotCondition,
    pub generation: i64,
    pub position: Position,
    pub lag: i64,
    /// Builds by this process because Redis was empty, or of another log.
    pub builds: u64,
    pub problem: Option<String>,
}

/// Reads the numbers of a running [`super::Feeder`]. Cheap to clone.
#[derive(Clone, Default)]
pub struct HotStats(Arc<Mutex<HotSnapshot>>);

impl HotStats {
    #[must_use]
    pub fn snapshot(&self) -> HotSnapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut HotSnapshot)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
