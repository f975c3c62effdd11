//! `/v1/messages`.

mod collection;
mod convert;
mod wire;

pub use collection::collection;
pub(crate) use wire::PostMessage;
