//! Where each event is, by what an auditor asks for. The log itself has no index for this: each
//! would cost every append. Covers every type of event, also those no other read model knows.

mod projection;
mod queries;
mod sink;
#[cfg(test)]
mod tests;

pub use projection::{AuditIndex, Indexed};
pub use queries::{IndexFilter, IndexPage, indexed, position_of};
