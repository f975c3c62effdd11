use eventstore::{StoreError, keys::KeyError, seal::OpenError};
use projections::{ReadError, cache::CacheError};

use crate::problem::Problem;

/// Statements that may succeed a moment later: connection, shutdown, resources, conflicts.
fn is_transient(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        Some(error) => error
            .code()
            .is_some_and(|code| ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class))),
        None => !matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)),
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        read(&error)
    }
}

/// Every one of those who waited for the same answer gets it.
impl From<CacheError> for Problem {
    fn from(error: CacheError) -> Self {
        read(error.reason())
    }
}

fn read(error: &ReadError) -> Problem {
    let away = match error {
        ReadError::NotBuilt(_) => true,
        ReadError::Database(error) => is_transient(error),
        ReadError::Keys(error) | ReadError::Open(OpenError::Keys(error)) => key_store_away(error),
        ReadError::Engine(..) => true,
        ReadError::Log(error) => return stored(error),
        ReadError::Open(_) | ReadError::Row(_) => false,
    };
    explained(away, error)
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        stored(&error)
    }
}

fn stored(error: &StoreError) -> Problem {
    let away = match error {
        StoreError::Unavailable(_) | StoreError::Overloaded | StoreError::Fenced => true,
        StoreError::Database(error) => is_transient(error),
        StoreError::OutcomeUnknown | StoreError::Data { .. } | StoreError::Internal(_) => false,
    };
    explained(away, error)
}

/// Only what waiting can help; a wrong key or a damaged row is a defect.
fn key_store_away(error: &KeyError) -> bool {
    matches!(error, KeyError::Database(_) | KeyError::Timeout | KeyError::Closed | KeyError::LeaseOver)
}

fn explained(away: bool, error: &dyn std::error::Error) -> Problem {
    if away {
        tracing::warn!(%error, "a query could not be answered: a part of the system is away");
        Problem::unavailable()
    } else {
        tracing::error!(%error, "a query failed by a defect");
        Problem::internal()
    }
}
