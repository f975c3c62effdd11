//! `/v1/accounts`.

mod collection;
mod convert;
mod queries;
mod wire;

pub use collection::collection;
pub use queries::one;
