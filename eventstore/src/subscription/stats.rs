use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use kernel::Position;

use super::GenerationState;

/// What a member of the runner is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Follows with the others.
    Following,
    /// Left the group: far behind, or catching up after a failure.
    Apart,
    /// Waits before it tries again.
    BackingOff,
    /// Met an event it cannot read and cannot attribute to a key.
    Stopped,
    /// Held by a verifier.
    Pinned,
    /// Applied events that a failover took back, or has another shape than this program's DDL.
    NeedsRebuild,
}

/// One generation, for metrics and `replay status`.
#[derive(Debug, Clone)]
pub struct ProjectionStats {
    pub projection: &'static str,
    pub generation: i32,
    pub state: GenerationState,
    pub condition: Condition,
    /// Durable.
    pub position: Position,
    pub lag: i64,
    pub parked_keys: i64,
    /// Since the runner last looked for events on its behalf.
    pub polled_seconds: f64,
    pub problem: Option<String>,
}

/// Reads the numbers of a running [`super::Runner`]. Cheap to clone.
#[derive(Clone, Default)]
pub struct Stats(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    rows: Vec<ProjectionStats>,
    polled: Option<Instant>,
}

impl Stats {
    #[must_use]
    pub fn snapshot(&self) -> Vec<ProjectionStats> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = inner.polled.map_or(f64::INFINITY, |at| at.elapsed().as_secs_f64());
        let mut rows = inner.rows.clone();
        for row in &mut rows {
            row.polled_seconds = age;
        }
        rows
    }

    pub(super) fn set(&self, rows: Vec<ProjectionStats>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.rows = rows;
        inner.polled = Some(Instant::now());
    }
}
