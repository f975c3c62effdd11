use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use kernel::Position;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use uuid::Uuid;

use crate::{MapCursor, geo::CellRange};

/// How far the grid is, and of which rows it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub position: Position,
    pub epoch: i32,
    pub generation: i32,
    /// Moves when rows change without an event: parked ones were retried.
    pub revision: i64,
}

/// Cells of the accounts that are on the map. Cheap to clone; empty and not ready until a
/// [`Follower`](super::Follower) has caught up.
#[derive(Clone)]
pub struct AccountMap(Arc<Shared>);

struct Shared {
    grid: RwLock<Option<Grid>>,
    standing: watch::Sender<Option<Standing>>,
    demand: Notify,
}

#[derive(Default)]
pub(super) struct Grid {
    in_order: BTreeSet<(i64, Uuid)>,
    cells: HashMap<Uuid, i64>,
    standing: Option<Standing>,
}

impl Grid {
    /// `None` takes the account off the map.
    pub fn set(&mut self, id: Uuid, cell: Option<i64>) {
        if let Some(before) = self.cells.remove(&id) {
            self.in_order.remove(&(before, id));
        }
        if let Some(cell) = cell {
            self.cells.insert(id, cell);
            self.in_order.insert((cell, id));
        }
    }

    /// The first of them in the order (cell, id), after the cursor.
    pub fn within(&self, ranges: &[CellRange], after: Option<MapCursor>, limit: usize) -> Vec<MapCursor> {
        let mut found = Vec::new();
        for range in ranges {
            let low = match after {
                Some(cursor) if cursor.cell >= range.hi => continue,
                Some(cursor) if cursor.cell >= range.lo => (cursor.cell, cursor.id),
                // No stored cell equals a range's beginning: there, the unused digits are zeros.
                _ => (range.lo, Uuid::nil()),
            };
            let beyond = self.in_order.range(low..(range.hi, Uuid::nil())).filter(|at| **at != low);
            found.extend(
                beyond.take(limit - found.len()).map(|(cell, id)| MapCursor { cell: *cell, id: *id }),
            );
            if found.len() == limit {
                break;
            }
        }
        found
    }

    pub fn len(&self) -> usize {
        self.cells.len()
    }
}

impl Default for AccountMap {
    fn default() -> Self {
        Self::new()
    }
}

impl AccountMap {
    #[must_use]
    pub fn new() -> Self {
        let standing = watch::Sender::new(None);
        Self(Arc::new(Shared { grid: RwLock::new(None), standing, demand: Notify::new() }))
    }

    /// `None` until it is ready.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        *self.0.standing.borrow()
    }

    /// How many accounts are on it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read(Grid::len).unwrap_or_default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it has seen this position, or does within `patience`.
    pub async fn wait_for(&self, position: Position, patience: Duration) -> bool {
        let mut changes = self.0.standing.subscribe();
        self.0.demand.notify_one();
        let seen = changes.wait_for(|standing| standing.is_some_and(|at| at.position >= position));
        timeout(patience, seen).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Ends when somebody begins to wait.
    pub(super) async fn demanded(&self) {
        self.0.demand.notified().await;
    }

    pub(super) fn candidates(
        &self,
        ranges: &[CellRange],
        after: Option<MapCursor>,
        limit: usize,
    ) -> Option<(Standing, Vec<MapCursor>)> {
        self.read(|grid| Some((grid.standing?, grid.within(ranges, after, limit)))).flatten()
    }

    /// Exchanges all of it.
    pub(super) fn replace(&self, mut grid: Grid, standing: Standing) {
        grid.standing = Some(standing);
        *self.0.grid.write().unwrap_or_else(PoisonError::into_inner) = Some(grid);
        self.0.standing.send_replace(Some(standing));
    }

    /// Some accounts have moved; from now on it is at `standing`.
    pub(super) fn change(&self, moved: &[(Uuid, Option<i64>)], standing: Standing) {
        if let Some(grid) = &mut *self.0.grid.write().unwrap_or_else(PoisonError::into_inner) {
            for (id, cell) in moved {
                grid.set(*id, *cell);
            }
            grid.standing = Some(standing);
        }
        self.0.standing.send_if_modified(|known| {
            let changed = *known != Some(standing);
            *known = Some(standing);
            changed
        });
    }

    /// Their positions are erased: they are not kept in memory either. Whoever erases them here
    /// says so, and every answer that meets one.
    pub fn forget(&self, ids: &[Uuid]) {
        if ids.is_empty() {
            return;
        }
        if let Some(grid) = &mut *self.0.grid.write().unwrap_or_else(PoisonError::into_inner) {
            for id in ids {
                grid.set(*id, None);
            }
        }
    }

    fn read<T>(&self, what: impl FnOnce(&Grid) -> T) -> Option<T> {
        self.0.grid.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(what)
    }
}
