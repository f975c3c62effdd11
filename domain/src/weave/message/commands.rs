use uuid::Uuid;

use crate::weave::values::MessageContent;

/// Says something in a conversation, which has to be open at that position.
#[derive(Debug, Clone, PartialEq)]
pub struct PostMessage {
    pub conversation_id: Uuid,
    pub content: MessageContent,
}

/// Replaces the content.
#[derive(Debug, Clone, PartialEq)]
pub struct EditMessage {
    pub content: MessageContent,
}

/// Takes the content away for good; that there was a message stays visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneMessage;

/// The author has left: the text stays, whose it was does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnbindMessageAuthor;

#[derive(Debug, Clone, PartialEq)]
pub enum MessageCommand {
    Post(PostMessage),
    Edit(EditMessage),
    Tombstone(TombstoneMessage),
    UnbindAuthor(UnbindMessageAuthor),
}

/// Which command, without its body: the last part of the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageCommandKind {
    Post,
    Edit,
    Tombstone,
    /// The system's own; it has no route.
    UnbindAuthor,
}

impl MessageCommandKind {
    pub const ALL: [Self; 4] = [Self::Post, Self::Edit, Self::Tombstone, Self::UnbindAuthor];

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Edit => "edit",
            Self::Tombstone => "tombstone",
            Self::UnbindAuthor => "unbind-author",
        }
    }

    #[must_use]
    pub const fn creates(self) -> bool {
        matches!(self, Self::Post)
    }
}

impl MessageCommand {
    #[must_use]
    pub const fn kind(&self) -> MessageCommandKind {
        match self {
            Self::Post(_) => MessageCommandKind::Post,
            Self::Edit(_) => MessageCommandKind::Edit,
            Self::Tombstone(_) => MessageCommandKind::Tombstone,
            Self::UnbindAuthor(_) => MessageCommandKind::UnbindAuthor,
        }
    }
}
