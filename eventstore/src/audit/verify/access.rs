use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Finding, Kind, VerifyReport};
use crate::{
    audit::{AuditError, note::AccessMark},
    canonical::{Hash, prefixed},
};

const PAGE: i64 = 5_000;

struct Entry {
    number: i64,
    at: DateTime<Utc>,
    who: String,
    action: String,
    subject: Option<Uuid>,
    what: String,
    why: String,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

/// The chain of the access log, and whether it is still the one that checkpoints were signed over.
pub(super) async fn access_log(
    pool: &PgPool,
    marks: impl Iterator<Item = AccessMark>,
    report: &mut VerifyReport,
) -> Result<(), AuditError> {
    let mut marks: Vec<AccessMark> = marks.collect();
    marks.sort_by_key(|mark| mark.number);
    marks.dedup();
    let mut marks = marks.into_iter().peekable();
    let (mut number, mut hash): (i64, Hash) = (0, Sha256::digest([]).into());
    loop {
        let page = sqlx::query_as!(
            Entry,
            "select number, at, who, action, subject, what, why, previous, hash from access_log
             where number > $1 order by number limit $2",
            number,
            PAGE
        )
        .fetch_all(pool)
        .await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            let there = hash_of(&hash, &entry);
            if entry.number != number + 1 || entry.previous != hash || entry.hash != there {
                report.found(changed(entry.number).hashes(&entry.hash, &there));
                return Ok(());
            }
            (number, hash) = (entry.number, there);
            report.access_entries += 1;
            while let Some(mark) = marks.next_if(|mark| mark.number.cast_signed() <= number) {
                if mark.number.cast_signed() == number && mark.hash != hash {
                    report.found(changed(number).hashes(&mark.hash, &hash));
                    return Ok(());
                }
            }
        }
    }
    if let Some(mark) = marks.next() {
        let sentence = format!(
            "the access log ends at entry {number}, and a checkpoint was signed over entry {}",
            mark.number
        );
        report.found(Finding::new(Kind::AccessLogChanged, sentence));
    }
    Ok(())
}

fn changed(number: i64) -> Finding {
    let sentence = format!("entry {number} of the access log is not the one that was written there");
    Finding::new(Kind::AccessLogChanged, sentence)
}

/// As the database's `access_hash` computes it.
fn hash_of(previous: &Hash, entry: &Entry) -> Hash {
    let mut bytes = previous.to_vec();
    bytes.extend_from_slice(&entry.number.to_be_bytes());
    bytes.extend_from_slice(&entry.at.timestamp_micros().to_be_bytes());
    prefixed(&mut bytes, entry.who.as_bytes());
    prefixed(&mut bytes, entry.action.as_bytes());
    match entry.subject {
        Some(subject) => prefixed(&mut bytes, subject.to_string().as_bytes()),
        None => bytes.extend_from_slice(&[0xff; 4]),
    }
    prefixed(&mut bytes, entry.what.as_bytes());
    prefixed(&mut bytes, entry.why.as_bytes());
    Sha256::digest(&bytes).into()
}
