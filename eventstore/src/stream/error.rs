use crate::StoreError;

/// What can go wrong between us and the stream. One sentence each, no data.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("NATS cannot be reached ({0})")]
    Unreachable(String),
    #[error("nats-server {found} is too old, 2.10 or newer is needed")]
    ServerTooOld { found: String },
    #[error("the NATS credentials cannot be read ({0})")]
    Credentials(std::io::ErrorKind),
    #[error("JetStream did not answer in time ({what})")]
    Timeout { what: &'static str },
    #[error("the stream {name} does not exist")]
    Missing { name: String },
    /// The stream is not what this process needs and changing it could lose messages.
    #[error(
        "the stream {name} has {field} = {found} where {wanted} is needed; rebuild it with `replay stream rebuild`"
    )]
    Differs { name: String, field: String, found: String, wanted: String },
    #[error("the subjects of the stream are taken by another stream, {name}")]
    SubjectsTaken { name: String },
    /// A failover was decided while this process worked on: it must start again.
    #[error("this process works in epoch {ours}, the stream belongs to epoch {newer}")]
    EpochOver { ours: i32, newer: i32 },
    #[error("JetStream refused ({what}): {code} {description}")]
    Refused { what: &'static str, code: u64, description: String },
    #[error(transparent)]
    Log(#[from] StoreError),
}

impl StreamError {
    /// Whether the same may succeed later without anybody's help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout { .. } | Self::Missing { .. } | Self::Refused { .. } => true,
            Self::Log(error) => matches!(error, StoreError::Unavailable(_)),
            _ => false,
        }
    }
}
