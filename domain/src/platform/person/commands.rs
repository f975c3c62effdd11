use kernel::Class;
use uuid::Uuid;

use super::{Contents, Reason};

/// Asks that the person be forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestForget {
    pub account_id: Uuid,
    pub content: Contents,
    /// An operator gives one.
    pub reason: Option<Reason>,
}

/// Forbids to destroy the person's data, for a legal reason.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceHold {
    pub account_id: Uuid,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseHold {
    pub account_id: Uuid,
    pub reason: Reason,
}

/// The keys of these classes are destroyed, and nobody has a copy in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordForgotten {
    pub account_id: Uuid,
    pub classes: Vec<Class>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PersonCommand {
    RequestForget(RequestForget),
    PlaceHold(PlaceHold),
    ReleaseHold(ReleaseHold),
    RecordForgotten(RecordForgotten),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PersonCommandKind {
    RequestForget,
    PlaceHold,
    ReleaseHold,
    /// The system's own; it has no route.
    RecordForgotten,
}

impl PersonCommandKind {
    pub const ALL: [Self; 4] =
        [Self::RequestForget, Self::PlaceHold, Self::ReleaseHold, Self::RecordForgotten];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestForget => "request-forget",
            Self::PlaceHold => "place-hold",
            Self::ReleaseHold => "release-hold",
            Self::RecordForgotten => "record-forgotten",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }
}

impl PersonCommand {
    #[must_use]
    pub const fn kind(&self) -> PersonCommandKind {
        match self {
            Self::RequestForget(_) => PersonCommandKind::RequestForget,
            Self::PlaceHold(_) => PersonCommandKind::PlaceHold,
            Self::ReleaseHold(_) => PersonCommandKind::ReleaseHold,
            Self::RecordForgotten(_) => PersonCommandKind::RecordForgotten,
        }
    }

    /// Whose person it is.
    #[must_use]
    pub const fn account_id(&self) -> Uuid {
        match self {
            Self::RequestForget(command) => command.account_id,
            Self::PlaceHold(command) => command.account_id,
            Self::ReleaseHold(command) => command.account_id,
            Self::RecordForgotten(command) => command.account_id,
        }
    }
}
