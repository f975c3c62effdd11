use kernel::Position;

use crate::{StoreError, stream::StreamError};

/// Why a relay does not publish.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// One of the two has lost or changed its past. Publishing on would hide it.
    #[error(
        "stream and log differ at position {position} ({why}); nothing is published until that is \
         decided, see `replay stream verify`"
    )]
    Fork { position: Position, why: &'static str },
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Log(#[from] StoreError),
}

impl RelayError {
    /// Whether trying again soon may help. The others are looked at again too, but slowly and
    /// with an alarm.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Fork { .. } => false,
            Self::Stream(error) => error.is_transient(),
            Self::Log(error) => matches!(error, StoreError::Unavailable(_)),
        }
    }
}
