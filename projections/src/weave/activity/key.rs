use std::fmt;

use chrono::NaiveDate;
use uuid::{Uuid, uuid};

/// Never changes: entries' primary keys are derived from it.
const ACTIVITY_NAMESPACE: Uuid = uuid!("9d4b61c3-27fe-5d0a-b1c8-5e0f7a3396d1");

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActivityType {
    Tied,
    Revised,
    Removed,
    Message,
}

impl ActivityType {
    pub const ALL: [Self; 4] = [Self::Tied, Self::Revised, Self::Removed, Self::Message];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tied => "tied",
            Self::Revised => "revised",
            Self::Removed => "removed",
            Self::Message => "message",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activity_type| activity_type.as_str() == word)
    }
}

/// An entry, or the title of the node it is about. Nodes are known by their conversation: it
/// follows from the node, and of the two a post names only the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActivityKey {
    Entry {
        /// `None` when no person did it.
        account: Option<Uuid>,
        activity_type: ActivityType,
        conversation: Uuid,
        /// UTC
        day: NaiveDate,
    },
    Node {
        conversation: Uuid,
    },
}

impl fmt::Display for ActivityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry { account, activity_type, conversation, day } => {
                match account {
                    Some(account) => write!(f, "entry:{account}")?,
                    None => f.write_str("entry:system")?,
                }
                write!(f, ":{}:{conversation}:{day}", activity_type.as_str())
            }
            Self::Node { conversation } => write!(f, "node:{conversation}"),
        }
    }
}

impl ActivityKey {
    /// The primary key of its row: for a node its conversation, for an entry a UUIDv5 of the key.
    #[must_use]
    pub fn id(&self) -> Uuid {
        match self {
            Self::Entry { .. } => Uuid::new_v5(&ACTIVITY_NAMESPACE, self.to_string().as_bytes()),
            Self::Node { conversation } => *conversation,
        }
    }
}
