use std::{fmt, sync::Arc};

use crate::ReadError;

/// Why an answer could not be made; shared by all who waited for it.
#[derive(Debug, Clone)]
pub struct CacheError(Arc<ReadError>);

impl CacheError {
    #[must_use]
    pub fn reason(&self) -> &ReadError {
        &self.0
    }
}

impl From<ReadError> for CacheError {
    fn from(error: ReadError) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for CacheError {}
