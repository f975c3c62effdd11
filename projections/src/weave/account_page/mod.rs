//! One account's page: `GET /v1/accounts/{id}`, and the titles that other answers show.
//!
//! Rows hold personal fields as sealed envelopes; [`account_detail`] opens what the viewer may
//! see. Nodes through live threads and the recent activity join the answer from their own read
//! models; the grid of public positions on the map reads its envelopes from here.

mod answer;
mod change;
mod columns;
mod projection;
mod queries;
mod row;
mod sink;
#[cfg(test)]
pub(crate) mod tests;

pub use answer::{AccountDetail, ThreadedNode, Viewer};
pub use change::{AccountChange, AccountFact};
pub use projection::AccountPage;
pub use queries::{ACTIVITY_LIMIT, NODES_LIMIT, account_detail, account_record};
pub use row::{AccountRecord, AccountRow};
