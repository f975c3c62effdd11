use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// Place of an event in the whole log: 1, 2, 3 … without gap, in commit order.
pub type Position = i64;

/// Place of an event in its aggregate's stream: 1, 2, 3 … without gap; 0 means "no stream yet".
pub type Version = i64;

/// A context, aggregate type or event type: `[A-Za-z0-9_-]{1,48}`.
///
/// The alphabet is that of a NATS subject token, so a name can never widen a subject.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Name(Cow<'static, str>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 48 characters out of A-Z, a-z, 0-9, _ and -")]
pub struct InvalidName;

impl Name {
    /// For constants of the code; checked at compile time when used in a `const`.
    ///
    /// # Panics
    /// When the text is no valid name.
    #[must_use]
    pub const fn constant(text: &'static str) -> Self {
        assert!(valid(text.as_bytes()), "not a valid name");
        Self(Cow::Borrowed(text))
    }

    /// # Errors
    /// [`InvalidName`] when the text has another length or alphabet.
    pub fn parse(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidName> {
        let text = text.into();
        if valid(text.as_bytes()) { Ok(Self(text)) } else { Err(InvalidName) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn valid(bytes: &[u8]) -> bool {
    if bytes.is_empty() || bytes.len() > 48 {
        return false;
    }
    let mut i = 0;
    while i < bytes.len() {
        if !(bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_' || bytes[i] == b'-') {
            return false;
        }
        i += 1;
    }
    true
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// One aggregate: its type and id. The id alone is unique over all types (the `streams`
/// table's key), so that nobody can hide a node behind an account's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AggregateRef {
    pub aggregate_type: Name,
    pub aggregate_id: Uuid,
}

impl AggregateRef {
    #[must_use]
    pub const fn new(aggregate_type: Name, aggregate_id: Uuid) -> Self {
        Self { aggregate_type, aggregate_id }
    }
}

impl fmt::Display for AggregateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.aggregate_type, self.aggregate_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_refuses_what_would_widen_a_subject() {
        for bad in ["", "a.b", "a b", "*", ">", "ä", &"x".repeat(49)] {
            assert_eq!(Name::parse(bad.to_owned()), Err(InvalidName), "{bad:?}");
        }
        assert_eq!(Name::parse("NodeTied").unwrap().as_str(), "NodeTied");
    }
}
