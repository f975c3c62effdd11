//! `/v1/accounts`.

mod collection;
mod convert;
mod map;
mod queries;
mod wire;

pub use collection::collection;
pub use map::list;
pub use queries::one;
