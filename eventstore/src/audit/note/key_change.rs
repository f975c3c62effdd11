use std::{fmt, str::FromStr};

use super::{BadNote, PublicKey};

/// A new key of a log. Whoever trusts a key that has signed this trusts the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    pub key: PublicKey,
}

const TITLE: &str = " key change\n";

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{TITLE}{}", self.key.name(), self.key)
    }
}

impl FromStr for KeyChange {
    type Err = BadNote;

    fn from_str(text: &str) -> Result<Self, BadNote> {
        let (_, key) = text.split_once(TITLE).ok_or(BadNote::Content)?;
        let change = Self { key: key.trim_end().parse()? };
        if change.to_string() == text { Ok(change) } else { Err(BadNote::Content) }
    }
}
