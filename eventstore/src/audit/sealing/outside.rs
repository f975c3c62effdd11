use std::collections::HashMap;

use sqlx::PgConnection;

use super::tip::Tip;
use crate::{
    audit::{
        AuditError, CheckpointNotes,
        note::{Checkpoint, PublicKey, SignedNote},
        store::{roots, seals_after},
    },
    canonical::Hash,
    epoch::EpochRow,
};

/// Seals read at once to bring the file up to date.
const PAGE: i64 = 1_000;

/// What was signed and is not in the database (a restored backup, a promoted standby): root by
/// size. What is sealed anew has to come to the same.
pub(super) type Expected = HashMap<u64, Hash>;

/// The last position that an epoch shares with those after it; `None` for the present one.
pub(super) fn fork_of(epochs: &[EpochRow], epoch: i32) -> Option<u64> {
    let next = epochs.iter().filter(|row| row.epoch > epoch).map(|row| row.first_position).min()?;
    Some((next - 1).cast_unsigned())
}

/// The checkpoints at the end of a file that one of our keys has signed, back to one that covers
/// no more than `size` positions.
pub(super) async fn believed(
    file: &CheckpointNotes,
    origin: &str,
    keys: &[PublicKey],
    size: u64,
) -> Result<Vec<(Checkpoint, SignedNote)>, AuditError> {
    let (reading, path) = (file.clone(), file.path().to_owned());
    let (origin, keys) = (origin.to_owned(), keys.to_vec());
    let reading = move || {
        let ours = |note: &SignedNote| {
            let checkpoint: Checkpoint = note.text().parse().ok()?;
            (checkpoint.origin == origin && note.signed_by(&keys).is_ok()).then_some(checkpoint)
        };
        let enough =
            |notes: &[SignedNote]| notes.iter().find_map(ours).is_some_and(|oldest| oldest.size <= size);
        let notes = reading.tail(enough)?;
        Ok(notes.into_iter().filter_map(|note| Some((ours(&note)?, note))).collect())
    };
    let read = tokio::task::spawn_blocking(reading).await.map_err(std::io::Error::other).flatten();
    read.map_err(|error| AuditError::File { path, error })
}

/// Compares the stored tree with what the file was known to hold before, and adds to the file what
/// is missing there.
pub(super) async fn compare(
    connection: &mut PgConnection,
    file: &CheckpointNotes,
    tip: &Tip,
    known: Vec<(Checkpoint, SignedNote)>,
    (epochs, epoch, head): (&[EpochRow], i32, u64),
) -> Result<Expected, AuditError> {
    let mut expected = Expected::new();
    let mut newest_below: Option<&Checkpoint> = None;
    for (outside, _) in &known {
        if outside.epoch > epoch {
            return Err(AuditError::EpochBehind { outside: outside.epoch, here: epoch });
        }
        let given_up = fork_of(epochs, outside.epoch).is_some_and(|fork| outside.size > fork);
        if given_up {
            continue;
        }
        if outside.size > head {
            let (size, epoch) = (outside.size, outside.epoch);
            return Err(AuditError::Shortened { size, epoch, head: head.cast_signed() });
        }
        if outside.size > tip.tree.size() {
            same(outside, *expected.entry(outside.size).or_insert(outside.root))?;
        } else if newest_below.is_none_or(|below| below.size <= outside.size) {
            newest_below = Some(outside);
        }
    }
    if let Some(outside) = newest_below {
        let here = roots(connection, outside.size, std::slice::from_ref(&(0..outside.size))).await?;
        if let Some(here) = here.first() {
            same(outside, *here)?;
        }
    }
    let known: Vec<String> = known.into_iter().map(|(_, note)| note.to_string()).collect();
    append_missing(connection, file, tip, &known).await?;
    Ok(expected)
}

/// # Errors
/// [`AuditError::Differs`]
pub(super) fn same(outside: &Checkpoint, here: Hash) -> Result<(), AuditError> {
    let told = |hash: &Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if outside.root == here {
        Ok(())
    } else {
        let (outside_root, here) = (told(&outside.root), told(&here));
        Err(AuditError::Differs { size: outside.size, outside: outside_root, here })
    }
}

/// What was committed and not written there before somebody was killed. A file that begins anew
/// gets the newest only: the older ones are where it was before.
async fn append_missing(
    connection: &mut PgConnection,
    file: &CheckpointNotes,
    tip: &Tip,
    known: &[String],
) -> Result<(), AuditError> {
    let mut from = last_known(connection, tip, known).await?;
    if known.is_empty() && tip.number > 0 {
        tracing::warn!(file = %file.path().display(), "the checkpoint file is empty: it begins with the newest checkpoint");
        from = tip.number - 1;
    }
    loop {
        let missing = seals_after(&mut *connection, from, PAGE).await?;
        let Some(last) = missing.last() else { return Ok(()) };
        from = last.number;
        let notes: Result<Vec<SignedNote>, _> = missing.iter().map(|seal| seal.note.parse()).collect();
        append(file, notes?).await?;
    }
}

/// The number of the last seal that the file has.
async fn last_known(connection: &mut PgConnection, tip: &Tip, known: &[String]) -> Result<i64, AuditError> {
    let (mut found, mut rest) = (0, known);
    while found == 0 && !rest.is_empty() {
        let (before, last) = rest.split_at(rest.len().saturating_sub(PAGE as usize));
        found = sqlx::query_scalar!(
            r#"select coalesce(max(number), 0) as "number!" from seals where note = any($1) and number <= $2"#,
            last,
            tip.number
        )
        .fetch_one(&mut *connection)
        .await?;
        rest = before;
    }
    Ok(found)
}

/// Adds notes to the file, on a thread that may wait for the disk.
pub(super) async fn append(file: &CheckpointNotes, notes: Vec<SignedNote>) -> Result<(), AuditError> {
    let (writing, path) = (file.clone(), file.path().to_owned());
    let written = tokio::task::spawn_blocking(move || writing.append(&notes)).await;
    written.map_err(std::io::Error::other).flatten().map_err(|error| AuditError::File { path, error })
}
