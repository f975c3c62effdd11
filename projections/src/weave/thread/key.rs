use std::fmt;

use uuid::{Uuid, uuid};

/// Never changes: every thread's id is derived from it.
pub const THREAD_NAMESPACE: Uuid = uuid!("0b7f3d52-9c1e-5a64-8d20-f3c6a91e47b8");

/// Which kind of act drew a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ThreadType {
    /// The node was tied or revised.
    Knotting,
    /// Something was said in its conversation.
    Conversation,
}

impl ThreadType {
    pub const ALL: [Self; 2] = [Self::Knotting, Self::Conversation];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Knotting => "knotting",
            Self::Conversation => "conversation",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|thread_type| thread_type.as_str() == word)
    }
}

/// A thread, or one of the ends that can take threads with them. Nodes are known by their
/// conversation: it follows from the node, and of the two a post names only the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ThreadKey {
    Thread { account: Uuid, thread_type: ThreadType, conversation: Uuid },
    Node { conversation: Uuid },
    Account { account: Uuid },
}

impl fmt::Display for ThreadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread { account, thread_type, conversation } => {
                write!(f, "thread:{account}:{}:{conversation}", thread_type.as_str())
            }
            Self::Node { conversation } => write!(f, "node:{conversation}"),
            Self::Account { account } => write!(f, "account:{account}"),
        }
    }
}

/// The id of the one thread of this account, type and conversation: UUIDv5 over
/// `<account>:<type>:<conversation>`.
#[must_use]
pub fn thread_id(account: Uuid, thread_type: ThreadType, conversation: Uuid) -> Uuid {
    let name = format!("{account}:{}:{conversation}", thread_type.as_str());
    Uuid::new_v5(&THREAD_NAMESPACE, name.as_bytes())
}
