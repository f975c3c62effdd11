use chrono::{DateTime, Utc};
use kernel::Position;
use serde::Serialize;
use uuid::Uuid;

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An event is not the one that was sealed.
    EventChanged,
    EventMissing,
    /// The payload is not what its own hash says, and no redaction says why.
    PayloadChanged,
    /// Events behind the log's end.
    EventBeyondHead,
    /// Checkpoints cover more than the log holds.
    TailMissing,
    /// Hashes of the stored tree are missing.
    TreeDamaged,
    /// A stored checkpoint has another root than the stored tree.
    RootDiffers,
    /// A checkpoint in the database is missing, unsigned or says something else than its row.
    CheckpointBad,
    /// The newest checkpoint in the database is older than one outside.
    CheckpointReplayed,
    /// The checkpoint file, or the one that was given, has another root for this log.
    OutsideDiffers,
    /// Two checkpoints of one epoch and size with different roots.
    SplitView,
    /// An epoch begins without a signed statement about the one before.
    ForkUnsigned,
    /// A key that no earlier key has signed.
    KeyUnknown,
    AccessLogChanged,
}

/// One difference, with what was expected and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: Kind,
    /// First position concerned.
    pub from: Option<Position>,
    /// Last one; the same for a single event.
    pub to: Option<Position>,
    /// What was sealed, hex.
    pub expected: Option<String>,
    /// What is there, hex.
    pub found: Option<String>,
    pub sentence: String,
}

/// A payload that was redacted, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redaction {
    pub position: Position,
    pub event_id: Uuid,
    pub redacted_by: String,
    pub redaction_position: Position,
    pub redacted_at: DateTime<Utc>,
    pub reason: String,
    pub pointers: Vec<String>,
}

/// One epoch of the log, and what the next one gave up of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EpochPart {
    pub epoch: i32,
    pub first_position: Position,
    /// Signed positions of the epoch before that are not in this log.
    pub given_up: Option<(Position, Position)>,
}

/// What was compared with from outside the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outside {
    pub file: String,
    /// Checkpoints a trusted key has signed.
    pub checkpoints: u64,
    /// Largest size among those of this log.
    pub up_to: Position,
    /// Notes no trusted key has signed, and pieces that are none.
    pub not_believed: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    pub origin: String,
    pub epoch: i32,
    /// The log's last position.
    pub head: Position,
    /// Events were read from this position on …
    pub checked_from: Position,
    pub events_checked: u64,
    /// … and positions up to this one are covered by the newest checkpoint.
    pub sealed: Position,
    pub root: String,
    pub sealed_at: Option<DateTime<Utc>>,
    /// The trusted keys that have signed the newest checkpoint.
    pub signed_by: Vec<String>,
    /// Events behind the newest checkpoint: nothing proves them yet.
    pub unsealed: i64,
    pub checkpoints: u64,
    pub outside: Outside,
    pub epochs: Vec<EpochPart>,
    /// Persons that were forgotten, by the log's own events.
    pub persons_forgotten: u64,
    pub redactions: Vec<Redaction>,
    pub access_entries: u64,
    /// What an auditor should know and nobody needs to have done.
    pub notices: Vec<String>,
    /// Differences, the first ones in full.
    pub findings: Vec<Finding>,
    /// All of them.
    pub differences: u64,
}

impl VerifyReport {
    /// Differences beyond these are only counted.
    const TOLD: usize = 50;

    pub(super) fn found(&mut self, finding: Finding) {
        self.differences += 1;
        if self.findings.len() < Self::TOLD {
            self.findings.push(finding);
        }
    }

    #[must_use]
    pub const fn is_fine(&self) -> bool {
        self.differences == 0
    }

    /// The difference at the lowest position.
    #[must_use]
    pub fn first_divergence(&self) -> Option<&Finding> {
        let placed = self.findings.iter().filter(|finding| finding.from.is_some());
        placed.min_by_key(|finding| finding.from).or_else(|| self.findings.first())
    }
}

impl Finding {
    pub(super) fn new(kind: Kind, sentence: impl Into<String>) -> Self {
        Self { kind, from: None, to: None, expected: None, found: None, sentence: sentence.into() }
    }

    pub(super) const fn at(mut self, from: Position, to: Position) -> Self {
        (self.from, self.to) = (Some(from), Some(to));
        self
    }

    pub(super) fn hashes(mut self, expected: &[u8], found: &[u8]) -> Self {
        let hex = crate::audit::proving::hex;
        (self.expected, self.found) = (Some(hex(expected)), Some(hex(found)));
        self
    }
}
