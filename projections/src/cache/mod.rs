//! Answers that many ask for, kept for a moment: in the process, and where they are numbers only, in
//! Redis as well. [`VIEWS`] names every one of them; docs/caches.md is the same table for people.
//!
//! An answer carries the position it was read at. [`Follower`] looks which events concern which
//! view; an answer is served while no such event is younger than it (or only for as long as the view
//! says), so nothing has to be found and deleted, and an answer that was read before an event and
//! stored after it is not served either. `Min-Position` beyond an answer's position goes past it.
//!
//! Never in here: anything personal, and anything that depends on who asks.

mod entry;
mod error;
mod flight;
mod follower;
mod rate;
mod shared;
mod stats;
mod store;
mod touched;
mod view;

pub use entry::{Made, document};
pub use error::CacheError;
pub use follower::Follower;
pub use stats::ViewCounts;
pub use store::Cache;
pub use view::{ALWAYS, CLUSTERS, STATS, TRENDING, VIEWS, View};
