/// What can go wrong between us and the log's database.
///
/// Messages name causes and places, never values: they end in logs and problem documents.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written; trying again later may help. Names the kind of failure only.
    #[error("the log's database cannot be reached ({0})")]
    Unavailable(String),
    /// The connection was lost around the commit and it did not come back in time. Sending the
    /// same command with the same idempotency key tells what happened.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
    /// More requests wait than the queue holds; nothing was written.
    #[error("too many appends are waiting")]
    Overloaded,
    /// The server is not the one this epoch belongs to (a promoted replica, a restored backup).
    #[error(
        "this database server is not the one the log's epoch belongs to; decide with `replay epoch advance`"
    )]
    Fenced,
    /// The data cannot be stored. A defect or hostile input that passed every check before.
    #[error("the data cannot be stored ({code})")]
    Data { code: String },
    /// A defect on our side.
    #[error("{0}")]
    Internal(String),
    #[error("database error")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(failure_kind(&error)),
            sqlx::Error::Configuration(source) if source.is::<crate::pool::NotOurServer>() => Self::Fenced,
            sqlx::Error::Database(db) => match db.code().as_deref() {
                // Connection exceptions, shutdown, too many connections, disk full.
                Some(code) if is_transient(code) => Self::Unavailable(failure_kind(&error)),
                Some("WG002") => Self::Fenced,
                _ => Self::Database(error),
            },
            _ => Self::Database(error),
        }
    }
}

/// SQLSTATEs after which the same statement may succeed later.
pub(crate) fn is_transient(code: &str) -> bool {
    ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class))
        // A lock somebody holds for long (lock_timeout); a server that has become a replica.
        || matches!(code, "55P03" | "25006")
}

/// Names the kind of failure; a database's own message may quote a value.
#[must_use]
pub fn failure_kind(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(db) => format!("sqlstate {}", db.code().unwrap_or_default()),
        sqlx::Error::Io(error) => format!("connection: {}", error.kind()),
        sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
        sqlx::Error::PoolClosed => "the pool is closed".to_owned(),
        sqlx::Error::Tls(_) => "TLS".to_owned(),
        sqlx::Error::Protocol(_) => "protocol".to_owned(),
        _ => "other".to_owned(),
    }
}
