use std::collections::BTreeMap;

use kernel::Position;
use sqlx::PgPool;

use super::{Finding, Kind, Known, VerifyReport, fork_of};
use crate::{
    audit::{
        AuditError,
        note::{AccessMark, Checkpoint, Fork, SignedNote},
        store::{Seal, seals_after},
    },
    canonical::Hash,
};

const PAGE: i64 = 2_000;

/// A root that the tree must have at a size.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub size: u64,
    pub root: Hash,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The stored checkpoint of this number.
    Stored(i64),
    File,
    /// The one that was given.
    Given,
}

/// What all checkpoints, stored and outside, say together.
#[derive(Debug, Default)]
pub(super) struct Signed {
    pub epochs: BTreeMap<i32, OfEpoch>,
    /// Ends of the access log; neighbours that say the same are one.
    pub marks: Vec<AccessMark>,
}

#[derive(Debug, Default)]
pub(super) struct OfEpoch {
    /// Largest size that was signed.
    pub up_to: Position,
    /// How it left the epoch before.
    pub fork: Option<Fork>,
}

impl Signed {
    pub fn add(&mut self, checkpoint: &Checkpoint) {
        let epoch = self.epochs.entry(checkpoint.epoch).or_default();
        epoch.up_to = epoch.up_to.max(checkpoint.size.cast_signed());
        epoch.fork = epoch.fork.or(checkpoint.fork);
        if let Some(mark) = checkpoint.access
            && self.marks.last() != Some(&mark)
        {
            self.marks.push(mark);
        }
    }
}

/// Every stored checkpoint: in order, signed, and saying what its row says.
pub(super) async fn stored(
    pool: &PgPool,
    known: &Known,
    report: &mut VerifyReport,
    wanted: &mut Vec<Wanted>,
) -> Result<Signed, AuditError> {
    let mut all = Signed::default();
    let (mut number, mut size, mut epoch) = (0, 0, 0);
    loop {
        let page = seals_after(pool, number, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for seal in page {
            if seal.number != number + 1 {
                let sentence = format!("the checkpoints {} to {} are missing", number + 1, seal.number - 1);
                report.found(Finding::new(Kind::CheckpointBad, sentence).at(size + 1, seal.size));
            }
            if seal.size < size || seal.epoch < epoch {
                let sentence = format!("checkpoint {} is smaller than the one before it", seal.number);
                report.found(Finding::new(Kind::CheckpointBad, sentence).at(seal.size, size));
            }
            (number, epoch) = (seal.number, seal.epoch);
            match read(&seal, known) {
                Ok((checkpoint, signers)) => {
                    wanted.push(Wanted {
                        size: checkpoint.size,
                        root: checkpoint.root,
                        source: Source::Stored(number),
                    });
                    (report.sealed, report.signed_by) = (seal.size, signers);
                    report.root = crate::audit::proving::hex(&checkpoint.root);
                    report.sealed_at = Some(checkpoint.sealed_at);
                    all.add(&checkpoint);
                }
                Err(why) => {
                    let sentence = format!("checkpoint {number}: {why}");
                    report.found(Finding::new(Kind::CheckpointBad, sentence).at(size + 1, seal.size));
                }
            }
            size = seal.size.max(size);
            report.checkpoints += 1;
        }
    }
    Ok(all)
}

fn read(seal: &Seal, known: &Known) -> Result<(Checkpoint, Vec<String>), String> {
    let note: SignedNote = seal.note.parse().map_err(|_| "its note is none".to_owned())?;
    let signers = note.signed_by(&known.keys).map_err(|error| error.to_string())?;
    let checkpoint: Checkpoint = note.text().parse().map_err(|_| "its note is no checkpoint".to_owned())?;
    let row = (seal.size.cast_unsigned(), seal.root, seal.epoch);
    if (checkpoint.size, checkpoint.root, checkpoint.epoch) != row || checkpoint.origin != known.origin {
        return Err("its note says something else than its row".to_owned());
    }
    Ok((checkpoint, signers.into_iter().map(ToString::to_string).collect()))
}

/// What was signed outside, as far as this log goes on from it.
pub(super) fn outside(
    known: &Known,
    epochs: &[(i32, Position)],
    report: &mut VerifyReport,
    wanted: &mut Vec<Wanted>,
) {
    let mut roots = std::collections::HashMap::new();
    for one in &known.outside {
        let before = roots.insert((one.epoch, one.size), one.root);
        if let Some(before) = before.filter(|before| *before != one.root) {
            let sentence =
                format!("two checkpoints of epoch {} and size {} were signed", one.epoch, one.size);
            let size = one.size.cast_signed();
            report.found(Finding::new(Kind::SplitView, sentence).at(size, size).hashes(&before, &one.root));
        }
        // Beyond its epoch's end nothing of it is in this log.
        if fork_of(epochs, one.epoch).is_some_and(|fork| one.size.cast_signed() > fork) {
            continue;
        }
        report.outside.up_to = report.outside.up_to.max(one.size.cast_signed());
        wanted.push(Wanted { size: one.size, root: one.root, source: Source::File });
    }
}
