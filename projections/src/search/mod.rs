//! The search: engines behind one trait, and what they have in common.
//!
//! - [`SearchEngine`]: what a query asks, whoever answers; [`SearchIndex`]: how it is filled;
//! - [`node_search`]: the engine that is always there, a read model in Postgres;
//! - [`outside`]: Typesense and Meilisearch, each fed from the log with a checkpoint of its own;
//!   [`OutsideSearch`] answers out of one of them;
//! - [`Engines`]: all of them, in the order in which they are asked, each behind a [`Breaker`];
//! - [`folding`]: the one way in which texts become words, in documents and in queries;
//! - [`Near`], [`SearchCursor`], [`SearchQuery`]: what was asked.

mod breaker;
mod cursor;
mod engine;
mod engines;
pub mod folding;
mod heads;
mod index;
mod near;
pub mod node_search;
pub mod outside;
mod outside_search;
mod typo;

pub use breaker::Breaker;
pub use cursor::SearchCursor;
pub use engine::{
    EngineFuture, EngineGeneration, Hit, SearchEngine, SearchPage, SearchQuery, Standing, Suggestions,
};
pub use engines::{EngineHealth, Engines, SearchObserver};
pub use index::{Line, Refused, SearchIndex};
pub use near::{BadNear, Near};
pub use node_search::{NodeSearch, PostgresSearch};
pub use outside_search::OutsideSearch;
