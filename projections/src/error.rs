use eventstore::{StoreError, failure_kind, keys::KeyError, seal::OpenError};

use crate::search::outside::EngineError;

/// Why a query has no answer. Messages name causes and places, never values.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No generation of this read model serves yet; a rebuild makes one.
    #[error("the read model `{0}` is not built yet")]
    NotBuilt(&'static str),
    #[error("the read models' database: {}", failure_kind(.0))]
    Database(#[from] sqlx::Error),
    /// The key store does not answer: what it protects cannot be shown, and must not be shown
    /// as erased.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A stored envelope does not open: somebody changed bytes, or the key store is another one.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log, where a query reads it itself.
    #[error(transparent)]
    Log(#[from] StoreError),
    /// A search engine of its own; the next one can be asked.
    #[error("the search engine {0} {1}")]
    Engine(&'static str, EngineError),
    /// A row holds what no fold of this code writes.
    #[error("a row of `{0}` holds an unknown value")]
    Row(&'static str),
}
