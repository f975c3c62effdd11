use eventstore::StoreError;

/// Why the hot views could not be fed or asked. Names kinds, never values or addresses.
#[derive(Debug, thiserror::Error)]
pub enum HotError {
    #[error("Redis does not answer as it should ({0})")]
    Redis(String),
    #[error("REDIS_URL is not a URL of the form redis://user:password@host:port")]
    Url,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody emptied Redis, or moved this generation on, while we were at work on it.
    #[error("what was in Redis is gone or was changed by somebody else")]
    Gone,
    #[error("another process is building the hot views")]
    Busy,
    /// Ours is a server that was left behind by a failover, or an older program: whoever is ahead
    /// feeds them.
    #[error("Redis follows a later epoch of the log, or was written by a newer program")]
    Ahead,
    #[error("Redis holds no hot views yet")]
    NotBuilt,
    #[error("the checkpoint could not be held still for the comparison")]
    PinLost,
    #[error("interrupted")]
    Interrupted,
}

impl From<redis::RedisError> for HotError {
    fn from(error: redis::RedisError) -> Self {
        // The error's own text may quote what was sent.
        Self::Redis(match error.code() {
            Some(code) => code.to_owned(),
            None => error.category().to_owned(),
        })
    }
}
