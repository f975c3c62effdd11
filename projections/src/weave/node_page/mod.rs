//! One node's page: `GET /v1/nodes/{id}` with its creator's current title, its history, the
//! summary of its conversation and its live threads.

mod answer;
mod projection;
mod queries;
mod sink;
#[cfg(test)]
mod tests;

pub use answer::{Creator, HistoryEntry, NodeDetail};
pub use projection::{Happened, NodePage, NodePageRow};
pub use queries::{HISTORY_LIMIT, THREADS_LIMIT, node_detail};
