use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};

use super::BadNote;
use crate::canonical::Hash;

/// What is signed about the tree at one size.
///
/// ```text
/// weltgewebe/6c2f…            origin: which log
/// 4711                        size: positions 1 to 4711
/// <base64>                    root
/// epoch 1
/// sealed 2026-11-21T17:00:00.000000Z
/// access 12 <base64>          optional: how far the access log was, and its last hash
/// fork 1 4700 4705            only where an epoch begins: the epoch before, the last position they
///                             share, the largest size that had been signed in the epoch before
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    pub epoch: i32,
    /// The database's clock.
    pub sealed_at: DateTime<Utc>,
    pub access: Option<AccessMark>,
    pub fork: Option<Fork>,
}

/// The last entry of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessMark {
    pub number: u64,
    pub hash: Hash,
}

/// Where an epoch left the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    pub from: i32,
    pub position: u64,
    /// What was signed beyond `position` was given up.
    pub signed_up_to: u64,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sealed_at = self.sealed_at.to_rfc3339_opts(SecondsFormat::Micros, true);
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root))?;
        writeln!(f, "epoch {}\nsealed {sealed_at}", self.epoch)?;
        if let Some(AccessMark { number, hash }) = &self.access {
            writeln!(f, "access {number} {}", STANDARD.encode(hash))?;
        }
        if let Some(Fork { from, position, signed_up_to }) = self.fork {
            writeln!(f, "fork {from} {position} {signed_up_to}")?;
        }
        Ok(())
    }
}

impl FromStr for Checkpoint {
    type Err = BadNote;

    /// One spelling only: what is parsed prints as it was. A line of a later version is refused,
    /// because it may change what the others mean.
    fn from_str(text: &str) -> Result<Self, BadNote> {
        parse(text).filter(|checkpoint| checkpoint.to_string() == text).ok_or(BadNote::Content)
    }
}

fn parse(text: &str) -> Option<Checkpoint> {
    let mut lines = text.lines();
    let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
    let size = lines.next()?.parse().ok()?;
    let root = hash(lines.next()?)?;
    let epoch = lines.next()?.strip_prefix("epoch ")?.parse().ok()?;
    let sealed_at = lines.next()?.strip_prefix("sealed ")?;
    let sealed_at = DateTime::parse_from_rfc3339(sealed_at).ok()?.to_utc();
    let (mut access, mut fork) = (None, None);
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["access", number, root] => {
                access = Some(AccessMark { number: number.parse().ok()?, hash: hash(root)? });
            }
            ["fork", from, position, signed_up_to] => {
                let (position, signed_up_to) = (position.parse().ok()?, signed_up_to.parse().ok()?);
                fork = Some(Fork { from: from.parse().ok()?, position, signed_up_to });
            }
            _ => return None,
        }
    }
    Some(Checkpoint { origin, size, root, epoch, sealed_at, access, fork })
}

fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_has_one_spelling() {
        let mut checkpoint = Checkpoint {
            origin: "weltgewebe/x".into(),
            size: 4711,
            root: [7; 32],
            epoch: 2,
            sealed_at: DateTime::from_timestamp_micros(1_800_000_000_000_001).unwrap(),
            access: None,
            fork: None,
        };
        assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint.clone()));
        checkpoint.access = Some(AccessMark { number: 3, hash: [1; 32] });
        checkpoint.fork = Some(Fork { from: 1, position: 4700, signed_up_to: 4705 });
        let text = checkpoint.to_string();
        assert_eq!(text.parse(), Ok(checkpoint));
        for (from, to) in [
            ("4711", "04711"),
            ("4711", "+4711"),
            ("epoch", "epoche"),
            ("fork", "spoon"),
            ("sealed 20", "sealed 19"),
            ("\nepoch", "\n\nepoch"),
            ("000001Z", "000001+00:00"),
            ("access 3", "access 3 3"),
        ] {
            let other = text.replacen(from, to, 1);
            assert!(other.parse::<Checkpoint>().is_err() || from == "sealed 20", "{other}");
        }
        assert!(text.trim_end().parse::<Checkpoint>().is_err());
    }
}
