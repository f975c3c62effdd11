use crate::{StoreError, generation::GenerationError};

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else does it now: it took too long without renewing, or was paused.
    #[error("the lease was lost")]
    LeaseLost,
    #[error("the process ends")]
    Stopped,
    /// A sentence that names kinds, never values.
    #[error("{0}")]
    Failed(String),
}

impl From<sqlx::Error> for JobError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<GenerationError> for JobError {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::Store(error) => Self::Store(error),
            error => Self::Failed(error.to_string()),
        }
    }
}
