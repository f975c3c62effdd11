//! `/v1/conversations`.

mod queries;

pub use queries::messages;
