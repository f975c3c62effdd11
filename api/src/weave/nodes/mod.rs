//! `/v1/nodes`.

mod clusters;
mod collection;
mod convert;
mod queries;
mod wire;

pub use collection::collection;
pub(crate) use queries::{is_stale, refuse_stale};
pub use queries::{list, one};
