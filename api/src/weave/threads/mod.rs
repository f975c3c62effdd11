//! `/v1/threads`.

mod queries;

pub use queries::list;
