use uuid::Uuid;

use super::{Place, Standing};

/// Who may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Everybody,
    /// One account.
    Only(Uuid),
    Nobody,
}

impl Audience {
    #[must_use]
    pub fn has(self, viewer: Option<Uuid>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(account) => viewer == Some(account),
            Self::Nobody => false,
        }
    }

    pub(super) const fn of(node: Standing) -> Self {
        match node {
            Standing { public: true, .. } => Self::Everybody,
            Standing { owner: Some(owner), .. } => Self::Only(owner),
            Standing { owner: None, .. } => Self::Nobody,
        }
    }
}

/// What an event is about, at its position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct About {
    pub node: Option<Uuid>,
    pub conversation: Option<Uuid>,
    /// The account it is about: of an account's own events.
    pub account: Option<Uuid>,
    /// Who tied the node.
    pub owner: Option<Uuid>,
    /// Where the node was before it and is after it: a node that moves leaves one box and enters
    /// another, and both are told.
    pub places: [Option<Place>; 2],
    /// Of a node's or a conversation's event. Whether an account's event is for others, only its
    /// type can say.
    pub audience: Audience,
}

impl About {
    pub(super) const fn account(account: Option<Uuid>) -> Self {
        let audience = match account {
            Some(account) => Audience::Only(account),
            None => Audience::Nobody,
        };
        Self { node: None, conversation: None, account, owner: None, places: [None; 2], audience }
    }

    /// Nobody is told of what nothing is known about.
    pub(super) const UNKNOWN: Self = Self::account(None);
}
