//! What people did: `GET /v1/activity`, and the recent activity of an account's page.
//!
//! One entry per account, type of act, conversation and UTC day, so that a talk of a hundred
//! messages is one line. Entries last: a thread that faded takes nothing away from here. The
//! words of the types name the act: `tied`, `revised`, `removed` (a node), `message` (something
//! was said in its conversation). What governs the search only, and edits and tombstones of
//! messages, are no activity.

mod answer;
mod change;
mod columns;
mod key;
mod projection;
mod queries;
mod row;
mod sink;
#[cfg(test)]
mod tests;

pub(crate) use answer::ActivityLine;
pub use answer::{ActivityNode, ActivityShape};
pub use change::{ActivityChange, ActivityFact};
pub use key::{ActivityKey, ActivityType};
pub use projection::Activities;
pub use queries::{ActivityFilter, recent_activity};
pub use row::{ActivityFields, ActivityRow, NodeTitle};
