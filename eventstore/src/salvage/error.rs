use std::{io, path::PathBuf};

use kernel::Position;

use crate::{StoreError, stream::StreamError};

/// Why nothing (more) was salvaged. What stands in the log is whole pages, in order: the same call
/// again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    #[error("this server is a standby: promote it first")]
    InRecovery,
    #[error("the log moved while the stream was read (from position {seen}): try again")]
    HeadMoved { seen: Position },
    #[error(
        "the event at position {position} does not follow on version {found} of its aggregate in this log: \
         stream and log do not belong together"
    )]
    DoesNotFollow { position: Position, found: i64 },
    #[error("the file {} cannot be written: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Log(#[from] StoreError),
}

impl From<sqlx::Error> for SalvageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}
