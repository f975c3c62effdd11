//! `/v1/search`: nodes by their words, and titles while somebody types.

mod queries;

pub use queries::{search, suggest};
