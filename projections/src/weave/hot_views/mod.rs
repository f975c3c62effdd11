//! Views that are asked for often and may be lost: which nodes are talked about, and how many
//! threads lead to each. They live in Redis, come out of the log alone, and hold ids only.
//!
//! - `fact` and [`State`] are the pure fold, `page` the same for one page of the log;
//! - [`HotRedis`] writes pages and reads answers, each by one script (`lua/`): a page goes in
//!   together with the checkpoint it moves, or not at all;
//! - [`Feeder`] follows the log, [`build`] makes a generation from its beginning, [`verify`]
//!   folds the log again and compares;
//! - [`trending`] answers, from Redis or, when that is away, from the log's newest events
//!   ([`RecentActs`]), with titles from the node page.
//!
//! Everything is counted by conversation: a node's one conversation has an id that anybody can
//! compute, so a message need not be looked up to know what it is about.

mod build;
mod error;
mod fact;
mod feeder;
mod page;
mod queries;
mod recent;
mod redis_store;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod verify;
mod window;

pub use build::{Built, build};
pub use error::HotError;
pub use fact::HOT_EVENT_TYPES;
pub use feeder::Feeder;
pub use page::Page;
pub use queries::{NodeTitle, Sources, Trending, TrendingNode, trending};
pub use recent::{RankedRecent, RecentActs};
pub use redis_store::{Applied, Checkpoint, HotRedis, Ranked};
pub use state::{State, ThreadKind};
pub use stats::{HotCondition, HotSnapshot, HotStats};
pub use verify::{Verified, verify};
pub use window::{UnknownWindow, Window};

/// As operators and health know it.
pub const NAME: &str = "hot_views";
