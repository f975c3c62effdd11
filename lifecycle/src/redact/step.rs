use kernel::crash_point;

/// What is done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The log, with the event that says so.
    Log,
    /// The messages of every epoch's stream, overwritten.
    Stream,
    /// Generations of read models from before: built anew, the others dropped.
    ReadModels,
    /// Read models as of the past.
    Past,
    /// Engines beside Postgres.
    Search,
    /// What processes have in memory.
    Caches,
    Snapshots,
    /// Old versions of rows, and the planner's statistics.
    Pages,
    /// Segments of the write-ahead log that are still there.
    Wal,
    /// Every byte, as after forgetting a person.
    Scan,
}

impl Step {
    pub const ALL: [Self; 10] = [
        Self::Log,
        Self::Stream,
        Self::ReadModels,
        Self::Past,
        Self::Search,
        Self::Caches,
        Self::Snapshots,
        Self::Pages,
        Self::Wal,
        Self::Scan,
    ];

    /// As it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stream => "stream",
            Self::ReadModels => "read-models",
            Self::Past => "past",
            Self::Search => "search",
            Self::Caches => "caches",
            Self::Snapshots => "snapshots",
            Self::Pages => "pages",
            Self::Wal => "wal",
            Self::Scan => "scan",
        }
    }

    /// Where the fault tests kill: what the step does is done, that it is done is not written.
    pub(super) fn crash(self) {
        match self {
            Self::Log => crash_point!("redact.log"),
            Self::Stream => crash_point!("redact.stream"),
            Self::ReadModels => crash_point!("redact.read-models"),
            Self::Past => crash_point!("redact.past"),
            Self::Search => crash_point!("redact.search"),
            Self::Caches => crash_point!("redact.caches"),
            Self::Snapshots => crash_point!("redact.snapshots"),
            Self::Pages => crash_point!("redact.pages"),
            Self::Wal => crash_point!("redact.wal"),
            Self::Scan => crash_point!("redact.scan"),
        }
    }
}
