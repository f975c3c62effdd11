use commands::CommandError;
use eventstore::{StoreError, generation::GenerationError, keys::KeyError, seal::OpenError};

/// Why a piece of the work could not be done. It is tried again; nothing counts as done by it.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The text names files and kinds, never a value.
    #[error("{what}: {error}")]
    File { what: String, error: std::io::Error },
    #[error("there is no such request")]
    NoRequest,
    /// What was looked for is there, or a check failed. Never quotes a value.
    #[error("not erased: {0}")]
    NotErased(String),
    /// A rule says no; nothing was changed.
    #[error("{0}")]
    Refused(String),
    #[error("interrupted; the same command goes on")]
    Interrupted,
    #[error(transparent)]
    Generation(#[from] GenerationError),
    #[error("{0}")]
    Other(String),
}

impl From<sqlx::Error> for LifecycleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl LifecycleError {
    pub(crate) fn file(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::File { what, error }
    }
}
