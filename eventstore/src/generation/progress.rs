use kernel::Position;

/// What a rebuild or a verification is doing, for a person who waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Reading the log; `position` is the slowest projection's.
    Filling {
        position: Position,
        head: Position,
        events_per_second: f64,
    },
    /// Making the indexes that only queries need, of rows that are there.
    Indexing {
        projection: &'static str,
        number: usize,
        of: usize,
    },
    /// Statistics for the planner, then the comparison with the log.
    Checking {
        projection: &'static str,
    },
    /// A reader holds a snapshot from before the new rows: after the switch it would see a part of
    /// them. The oldest one is named.
    WaitingForSnapshot {
        pid: i32,
        seconds: f64,
    },
    /// A reader uses the views right now; tried again in a moment.
    WaitingForReaders {
        projection: &'static str,
    },
    Switched {
        projection: &'static str,
        generation: i32,
        position: Position,
    },
    /// The live generation stands still until its hashes are taken.
    Comparing {
        projection: &'static str,
        position: Position,
    },
}

/// Told of every step; must not block.
pub type Report<'a> = &'a (dyn Fn(Progress) + Sync);
