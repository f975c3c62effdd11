use std::{io, path::PathBuf};

use kernel::Position;

use super::{SignerError, note::BadNote};
use crate::StoreError;

/// Why nothing could be sealed, proven or compared.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("the checkpoint file {path} cannot be used: {error}")]
    File { path: PathBuf, error: io::Error },
    /// What is stored about the tree contradicts itself.
    #[error("the stored tree is damaged: {0}; `replay audit verify` tells where")]
    Damaged(String),
    #[error(
        "the checkpoint file knows another log: up to position {size} its root is {outside}, here {here}; \
         `replay audit verify` tells where they differ"
    )]
    Differs { size: u64, outside: String, here: String },
    #[error("the checkpoint file covers positions up to {size} of epoch {epoch}, but the log ends at {head}")]
    Shortened { size: u64, epoch: i32, head: Position },
    #[error("the checkpoint file is already in epoch {outside}, the log in {here}")]
    EpochBehind { outside: i32, here: i32 },
    #[error("{0}")]
    Note(#[from] BadNote),
    #[error("position {0} is not sealed yet")]
    NotSealed(Position),
}

impl AuditError {
    /// Waiting may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable(_) | StoreError::Overloaded) | Self::File { .. })
    }
}

impl From<sqlx::Error> for AuditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
