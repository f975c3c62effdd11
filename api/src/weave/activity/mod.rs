//! `/v1/activity`.

mod queries;

pub use queries::list;
