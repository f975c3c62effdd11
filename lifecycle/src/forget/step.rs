use kernel::crash_point;

/// What is done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Is there a legal hold?
    Hold,
    /// Fingerprints of the person's values, while they can still be read.
    Collect,
    /// Hidden at once, may not act, the e-mail address is free.
    Restrict,
    /// Into the ledger, then the keys are destroyed.
    Shred,
    /// Until no process holds a key in memory.
    Lease,
    /// `PersonForgotten` in the log.
    Record,
    /// Taken off their nodes and messages.
    Unbind,
    /// Every read model is past it, and nothing of the person is parked.
    ReadModels,
    Search,
    Redis,
    /// Reservations, receipts, snapshots.
    Leftovers,
    /// Nothing of the person can be opened.
    Verify,
    Scan,
    Certificate,
    /// A day later.
    SecondScan,
    FinalCertificate,
}

impl Step {
    pub const ALL: [Self; 16] = [
        Self::Hold,
        Self::Collect,
        Self::Restrict,
        Self::Shred,
        Self::Lease,
        Self::Record,
        Self::Unbind,
        Self::ReadModels,
        Self::Search,
        Self::Redis,
        Self::Leftovers,
        Self::Verify,
        Self::Scan,
        Self::Certificate,
        Self::SecondScan,
        Self::FinalCertificate,
    ];

    /// As it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Collect => "collect",
            Self::Restrict => "restrict",
            Self::Shred => "shred",
            Self::Lease => "lease",
            Self::Record => "record",
            Self::Unbind => "unbind",
            Self::ReadModels => "read-models",
            Self::Search => "search",
            Self::Redis => "redis",
            Self::Leftovers => "leftovers",
            Self::Verify => "verify",
            Self::Scan => "scan",
            Self::Certificate => "certificate",
            Self::SecondScan => "second-scan",
            Self::FinalCertificate => "final-certificate",
        }
    }

    /// The first that is not among those done.
    pub(super) fn after<'a>(done: impl Iterator<Item = &'a str>) -> Option<Self> {
        let done: Vec<&str> = done.collect();
        Self::ALL.into_iter().find(|step| !done.contains(&step.name()))
    }

    /// Where the fault tests kill: what the step does is done, that it is done is not written.
    pub(super) fn crash(self) {
        match self {
            Self::Hold => crash_point!("forget.hold"),
            Self::Collect => crash_point!("forget.collect"),
            Self::Restrict => crash_point!("forget.restrict"),
            Self::Shred => crash_point!("forget.shred"),
            Self::Lease => crash_point!("forget.lease"),
            Self::Record => crash_point!("forget.record"),
            Self::Unbind => crash_point!("forget.unbind"),
            Self::ReadModels => crash_point!("forget.read-models"),
            Self::Search => crash_point!("forget.search"),
            Self::Redis => crash_point!("forget.redis"),
            Self::Leftovers => crash_point!("forget.leftovers"),
            Self::Verify => crash_point!("forget.verify"),
            Self::Scan => crash_point!("forget.scan"),
            Self::Certificate => crash_point!("forget.certificate"),
            Self::SecondScan => crash_point!("forget.second-scan"),
            Self::FinalCertificate => crash_point!("forget.final-certificate"),
        }
    }
}
