use std::{path::PathBuf, sync::Arc};

use uuid::Uuid;

/// Why the key store could not answer. All unexpected for the caller of a command: none is the
/// fault of what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// Transient for the most part; the caller answers 503.
    #[error("the key store's database did not answer: {0}")]
    Database(#[source] Arc<sqlx::Error>),
    #[error(
        "the key store was set up with another key-encryption key (id {stored}, the one given has \
         id {given}): set KEK or KEK_FILE to the original one"
    )]
    OtherKek { stored: String, given: String },
    #[error("key {0} of the key store does not unwrap: its row was changed or copied from another")]
    Damaged(Uuid),
    #[error("the key store's hash key does not unwrap: its row was changed")]
    DamagedHashKey,
    /// Transient. An erasure that timed out may have happened; asking again is harmless.
    #[error("the key store did not answer within five seconds")]
    Timeout,
    #[error("the key store answered something else than was asked: its schema is another version")]
    Incomplete,
    #[error("the key store's batcher has ended: the process is shutting down")]
    Closed,
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error("a key's lease kept running out before its use: the process was paused or starved")]
    LeaseOver,
    #[error("{0} must hold 32 bytes as 64 hex digits or as base64")]
    KekFormat(&'static str),
    #[error("the key-encryption key {path} may be read by others (mode {mode:04o}): set its mode to 0600")]
    KekMode { path: PathBuf, mode: u32 },
    #[error("the key-encryption key {path} cannot be used: {error}")]
    KekFile { path: PathBuf, error: Arc<std::io::Error> },
}

impl From<sqlx::Error> for KeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}
