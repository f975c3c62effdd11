//! Threads: every act draws one from a person to a node, and it fades within exactly seven days.
//! `GET /v1/threads`, and the live threads of the pages.
//!
//! Rows say when the last act was and never how faded a thread is: that is computed from the
//! asker's clock. A removed node and a person who left discard all touching threads by the join
//! of the query, so that every row depends on the events of its own key only.

mod answer;
mod change;
mod columns;
mod cursor;
mod key;
mod projection;
mod queries;
mod row;
mod sink;
#[cfg(test)]
mod tests;

pub use answer::{FADES_AFTER, ThreadShape, opacity_at};
pub(crate) use answer::{ThreadLine, live_since, shown};
pub use change::{ThreadChange, ThreadFact};
pub use cursor::{BoxCursor, RecentCursor};
pub use key::{THREAD_NAMESPACE, ThreadKey, ThreadType, thread_id};
pub use projection::Threads;
pub use queries::{threads_in_bbox, threads_of_account, threads_of_node};
pub use row::{NodeEnd, ThreadFields, ThreadRow};
