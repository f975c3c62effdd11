/// Why an engine did not do what it was asked. Names kinds, never values, keys or addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No connection, no answer in time, or half of one.
    #[error("does not answer ({0})")]
    Away(&'static str),
    /// 503: it reads its own log again, or its replica is behind.
    #[error("is starting or lagging")]
    Lagging,
    #[error("refuses our key")]
    Key,
    /// Memory or disk: it will refuse everything until somebody gives it more.
    #[error("is at a limit ({0})")]
    Full(&'static str),
    /// The collection, index or alias is not there.
    #[error("has no such index")]
    Missing,
    /// It understood us and does not do it: our mistake, or another version of it.
    #[error("refuses the request ({0})")]
    Refused(String),
    /// A task that did not succeed; `failed` with the engine's code, `canceled` or `unfinished`.
    #[error("did not finish a task ({0})")]
    Task(String),
    #[error("answers something unknown ({0})")]
    Answer(&'static str),
    /// Asked for a position that it has not reached.
    #[error("is not caught up")]
    Behind,
}

impl EngineError {
    /// What a request that got no answer failed of.
    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        Self::Away(if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "no connection"
        } else if error.is_decode() || error.is_body() {
            "a broken answer"
        } else if error.is_builder() {
            "its URL or key cannot be used"
        } else {
            "the connection broke"
        })
    }

    /// Whether to leave the engine alone at once instead of after some failures.
    #[must_use]
    pub const fn is_capacity(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}
