//! One node's page: `GET /v1/nodes/{id}` with its creator's current title and its history.
//!
//! The conversation's summary and the live threads join the answer when their read models exist.

mod answer;
mod projection;
mod queries;
mod sink;
#[cfg(test)]
mod tests;

pub use answer::{Creator, HistoryEntry, NodeDetail};
pub use projection::{Happened, NodePage, NodePageRow};
pub use queries::{HISTORY_LIMIT, node_detail};
