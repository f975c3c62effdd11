use domain::Rejection;
use eventstore::StoreError;
use kernel::Version;

/// Why a command was not carried out. Nothing was written, except possibly with
/// [`CommandError::OutcomeUnknown`].
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A rule says no; the kind decides the status.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// If-Match named another version (412).
    #[error("If-Match names version {expected}, the aggregate has {actual}")]
    StaleVersion { expected: Version, actual: Version },
    /// The idempotency key was used for another request (422).
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// Other processes won five times in a row (503, try again).
    #[error("too many others are changing this at the same time")]
    Contention,
    /// It may have been written (503): the same request with the same key settles it.
    #[error("the outcome is unknown; send the same request with the same idempotency key again")]
    OutcomeUnknown,
    /// Nothing was written (503).
    #[error("too many requests are waiting")]
    Overloaded,
    /// Database or key store away (503). Nothing was written.
    #[error("a part of the system is away: {0}")]
    Unavailable(String),
    /// A defect on our side (500). The text is for the log, not for the caller.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::OutcomeUnknown => Self::OutcomeUnknown,
            StoreError::Overloaded => Self::Overloaded,
            StoreError::Unavailable(_) | StoreError::Fenced => Self::Unavailable(error.to_string()),
            StoreError::Data { .. } | StoreError::Internal(_) | StoreError::Database(_) => {
                Self::Internal(error.to_string())
            }
        }
    }
}
