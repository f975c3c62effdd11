use std::fmt;

use chrono::NaiveDate;
use uuid::Uuid;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    Nodes,
    Accounts,
    Messages,
}

impl Thing {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Accounts => "accounts",
            Self::Messages => "messages",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Nodes, Self::Accounts, Self::Messages].into_iter().find(|thing| thing.word() == word)
    }
}

/// Which row; days are UTC days of `occurred_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatKey {
    /// What began and ended on a day. No total: it would be one row for every event there is.
    Day(NaiveDate, Thing),
    /// An account acted on a day.
    Active(NaiveDate, Uuid),
    /// An account's last day.
    Last(Uuid),
}

impl fmt::Display for StatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day, thing) => write!(f, "{day}/{}", thing.word()),
            Self::Active(day, account) => write!(f, "{day}/active/{account}"),
            Self::Last(account) => write!(f, "last/{account}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatRow {
    Day { begun: i64, ended: i64 },
    Active,
    Last(NaiveDate),
}
