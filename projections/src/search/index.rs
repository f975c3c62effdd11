use kernel::Position;
use uuid::Uuid;

use super::{EngineFuture, SearchEngine};
use crate::weave::node::NodeFields;

/// How an engine gets its documents: whole ones, so that writing one twice is harmless, into a
/// generation that need not be the one that answers.
///
/// Who feeds decides when a checkpoint may move: after every line's own answer has been read.
pub trait SearchIndex: SearchEngine {
    /// Takes what it can. One answer per line, in order: engines take a bulk and refuse single
    /// lines of it.
    ///
    /// # Errors
    /// [`ReadError`](crate::ReadError) when nothing was taken.
    fn index<'a>(&'a self, generation: i32, lines: &'a [Line]) -> EngineFuture<'a, Vec<Result<(), Refused>>>;
}

/// One document of a bulk.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Nodes that nobody may find, too: an engine keeps no words of them.
    Put {
        node: Box<NodeFields>,
        /// Of the node's last change.
        position: Position,
    },
    /// A removed node.
    Remove(Uuid),
}

impl Line {
    #[must_use]
    pub const fn id(&self) -> Uuid {
        match self {
            Self::Put { node, .. } => node.id,
            Self::Remove(id) => *id,
        }
    }
}

/// The engine does not take this document. Names a kind of refusal, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine refuses the document ({0})")]
pub struct Refused(pub String);
