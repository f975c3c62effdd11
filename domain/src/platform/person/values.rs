use std::fmt;

use kernel::Class;
use serde::{Deserialize, Serialize};

use crate::{Rejection, weave::values::checked_line};

/// What happens to what the person wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contents {
    /// Messages keep their text, without an author.
    Keep,
    Erase,
}

impl Contents {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Erase => "erase",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Keep, Self::Erase].into_iter().find(|contents| contents.as_str() == word)
    }

    /// What is shredded.
    #[must_use]
    pub const fn classes(self) -> &'static [Class] {
        match self {
            Self::Keep => &[Class::Identity, Class::Contact, Class::Location],
            Self::Erase => &Class::ALL,
        }
    }
}

/// Why an operator did something to a person's data: 1 to 500 characters, one line. It is about
/// the person, so it is sealed with, and goes with, their identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(String);

impl Reason {
    pub const MAX: usize = 500;

    /// # Errors
    /// 422 `blank`, `too-long` or `control-character`, pointing at the field.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, Rejection> {
        checked_line(text.as_ref(), "/reason", (1, Self::MAX)).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reason({} chars)", self.0.chars().count())
    }
}
