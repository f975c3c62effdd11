use kernel::Position;
use sqlx::PgPool;

use super::{
    EpochPart, Finding, Kind, Trust, VerifyReport, access,
    payloads::Payloads,
    scan::{Roots, Scan},
    seals::{self, Signed, Source, Wanted},
};
use crate::{
    audit::{
        AuditError, Leaves,
        note::{BadNote, Checkpoint, SignedNote},
        store::roots,
        tree::{Frontier, parts},
    },
    epoch::{EpochRow, epochs},
    log,
};

/// What is to be compared.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    pub trust: Trust,
    /// A checkpoint one has believed before: events up to it are not read again, only that the
    /// log still goes on from it.
    pub from: Option<SignedNote>,
}

/// Compares log, stored tree, stored checkpoints and what is known outside. Reads only.
///
/// # Errors
/// [`AuditError`] when something cannot be read, or the given checkpoint is none of this log; a
/// difference is no error but a finding.
pub async fn verify(
    pool: &PgPool,
    wish: &Verification,
    progress: &mut (dyn FnMut(Position, Position) + Send),
) -> Result<VerifyReport, AuditError> {
    let mut report = VerifyReport::default();
    let known = wish.trust.known(pool, &mut report).await?;
    let history = epochs(pool).await?;
    let begins: Vec<(i32, Position)> = history.iter().map(|row| (row.epoch, row.first_position)).collect();
    let mut wanted = Vec::new();
    // The seals before the head: what is sealed was in the log before.
    let mut signed = seals::stored(pool, &known, &mut report, &mut wanted).await?;
    known.outside.iter().for_each(|one| signed.add(one));
    let head = log::head(pool).await?;
    (report.head, report.epoch) = (head.position, head.epoch);
    report.unsealed = (head.position - report.sealed).max(0);
    seals::outside(&known, &begins, &mut report, &mut wanted);
    forks(&history, &signed, &mut report);
    ends(pool, head.position, &mut report).await?;

    let from = match &wish.from {
        Some(note) => {
            note.signed_by(&known.keys)?;
            let from: Checkpoint = note.text().parse()?;
            if from.origin != known.origin {
                return Err(BadNote::Content.into());
            }
            Some(from).filter(|from| still_counts(from, &begins, &mut report))
        }
        None => None,
    };
    let tree = match &from {
        Some(from) if from.size.cast_signed() <= report.sealed => begin_at(pool, from.size).await?,
        Some(from) => {
            let (size, sealed) = (from.size.cast_signed(), report.sealed);
            let sentence =
                format!("the given checkpoint covers {size} positions, the database's newest {sealed}");
            report.found(Finding::new(Kind::CheckpointReplayed, sentence).at(sealed + 1, size));
            Frontier::default()
        }
        None => Frontier::default(),
    };
    if let Some(from) = &from {
        wanted.push(Wanted { size: from.size, root: from.root, source: Source::Given });
    }
    wanted.sort_by_key(|wanted| wanted.size);
    report.checked_from = tree.size().cast_signed() + 1;
    let mut scan = Scan {
        pool,
        leaves: Leaves::new(&history),
        tree,
        sealed: report.sealed,
        wanted,
        payloads: Payloads::default(),
        roots: Roots::default(),
    };
    scan.run(head.position, &mut report, &mut |at| progress(at, head.position)).await?;
    scan.payloads.finish(&mut report);
    access::access_log(pool, signed.marks.into_iter(), &mut report).await?;
    notices(&wish.trust, &mut report);
    Ok(report)
}

/// Whether a checkpoint that was given is of what this log goes on from. Beyond the end of its epoch
/// nothing of it is here, so everything is read.
fn still_counts(from: &Checkpoint, begins: &[(i32, Position)], report: &mut VerifyReport) -> bool {
    let Some(fork) = fork_of(begins, from.epoch).filter(|fork| from.size.cast_signed() > *fork) else {
        return true;
    };
    report.notices.push(format!(
        "the given checkpoint covers {} positions of epoch {}, of which this log has {fork}: what lies between was \
         given up, and everything was read",
        from.size, from.epoch
    ));
    false
}

/// The last position that an epoch shares with those after it; `None` for the present one.
#[must_use]
pub fn fork_of(begins: &[(i32, Position)], epoch: i32) -> Option<Position> {
    begins.iter().filter(|(other, _)| *other > epoch).map(|(_, first)| first - 1).min()
}

async fn begin_at(pool: &PgPool, size: u64) -> Result<Frontier, AuditError> {
    let mut connection = pool.acquire().await?;
    let ranges: Vec<_> = parts(0..size)
        .into_iter()
        .map(|node| node.index << node.height..(node.index + 1) << node.height)
        .collect();
    Ok(Frontier::of(size, roots(&mut connection, size, &ranges).await?))
}

/// Every epoch but the first must have been signed where it begins; what was given up is named.
fn forks(history: &[EpochRow], signed: &Signed, report: &mut VerifyReport) {
    for row in history {
        let end = row.first_position - 1;
        let own = signed.epochs.get(&row.epoch);
        let fork = own.and_then(|own| own.fork);
        let before = signed.epochs.get(&(row.epoch - 1)).map(|before| before.up_to);
        let signed_up_to = before.max(fork.map(|fork| fork.signed_up_to.cast_signed()));
        let given_up = signed_up_to.filter(|size| row.epoch > 1 && *size > end).map(|size| (end + 1, size));
        if let Some((from, to)) = given_up {
            report.notices.push(format!(
                "epoch {} gave up the signed positions {from} to {to} of the epoch before: {}",
                row.epoch, row.reason
            ));
        }
        let stated = fork.is_some_and(|fork| fork.position.cast_signed() == end);
        // Where nothing was sealed before, there is nothing to leave.
        let left = signed.epochs.range(..row.epoch).next().is_some();
        if row.epoch > 1 && own.is_some() && left && !stated {
            let sentence =
                format!("epoch {} begins after position {end} without a signed statement", row.epoch);
            report.found(Finding::new(Kind::ForkUnsigned, sentence).at(end + 1, end + 1));
        }
        report.epochs.push(EpochPart { epoch: row.epoch, first_position: row.first_position, given_up });
    }
}

/// The end of the log against what was signed, and what is behind it.
async fn ends(pool: &PgPool, head: Position, report: &mut VerifyReport) -> Result<(), AuditError> {
    let beyond = sqlx::query!(
        r#"select min(position) as first, max(position) as last, (select position from log_head) as "head!"
           from events where position > $1"#,
        head
    )
    .fetch_one(pool)
    .await?;
    // The log goes on while we look.
    if let (Some(first), Some(last)) = (beyond.first.filter(|first| *first > beyond.head), beyond.last) {
        let sentence = format!("there are events up to position {last}, but the log ends at {}", beyond.head);
        report.found(Finding::new(Kind::EventBeyondHead, sentence).at(first, last));
    }
    let (outside, sealed) = (report.outside.up_to, report.sealed);
    if outside > sealed {
        let kind = if outside > head { Kind::TailMissing } else { Kind::CheckpointReplayed };
        let sentence = format!(
            "the checkpoint file covers positions up to {outside}, the database's newest checkpoint {sealed}, \
             and the log ends at {head}"
        );
        report.found(Finding::new(kind, sentence).at(sealed.min(head) + 1, outside));
    }
    Ok(())
}

fn notices(trust: &Trust, report: &mut VerifyReport) {
    if trust.file.is_none() || report.outside.checkpoints == 0 {
        report.notices.push(
            "nothing was compared with checkpoints outside the database: whoever has a signing key could have \
             rewritten the log and signed it anew"
                .to_owned(),
        );
    }
    if report.outside.not_believed > 0 {
        let count = report.outside.not_believed;
        report.notices.push(format!("{count} pieces of the checkpoint file are signed by no believed key"));
    }
    if report.unsealed > 0 {
        report.notices.push(format!("the last {} events are not sealed yet", report.unsealed));
    }
}
