use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::problem::Problem;

/// Who waits longer than this for a turn is sent away while the answer is still worth something.
const PATIENCE: Duration = Duration::from_millis(50);

/// Which pool of turns a request uses: a flood of one kind must not starve the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Commands,
    Queries,
    /// Health, metrics, audit.
    Operations,
}

/// How many requests of each kind run at once.
#[derive(Clone)]
pub struct Lanes {
    commands: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    operations: Arc<Semaphore>,
}

impl Lanes {
    /// Sizes: commands wait in the append queue, which holds more; queries each need a
    /// connection, so more turns than a few per connection only move the queue.
    #[must_use]
    pub fn new(query_connections: usize) -> Self {
        Self {
            commands: Arc::new(Semaphore::new(2_048)),
            queries: Arc::new(Semaphore::new(query_connections.max(1) * 8)),
            operations: Arc::new(Semaphore::new(16)),
        }
    }

    /// A turn, held until the answer is ready.
    ///
    /// # Errors
    /// 503 `overload`
    pub async fn turn(&self, lane: Lane) -> Result<OwnedSemaphorePermit, Problem> {
        let semaphore = match lane {
            Lane::Commands => &self.commands,
            Lane::Queries => &self.queries,
            Lane::Operations => &self.operations,
        };
        // No timer is made when there is room, which is nearly always.
        if let Ok(permit) = Arc::clone(semaphore).try_acquire_owned() {
            return Ok(permit);
        }
        match timeout(PATIENCE, Arc::clone(semaphore).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Problem::overload()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_lane_sends_away_and_leaves_the_others_alone() {
        let lanes = Lanes::new(1);
        let mut turns = vec![];
        for _ in 0..8 {
            turns.push(lanes.turn(Lane::Queries).await.unwrap());
        }
        assert_eq!(lanes.turn(Lane::Queries).await.unwrap_err().code(), "overload");
        assert!(lanes.turn(Lane::Commands).await.is_ok());
        turns.pop();
        assert!(lanes.turn(Lane::Queries).await.is_ok());
    }
}
