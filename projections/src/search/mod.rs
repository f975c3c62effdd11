//! The search: engines behind one trait, and what they have in common.
//!
//! - [`SearchEngine`]: what a query asks, whoever answers; [`SearchIndex`]: how it is filled;
//! - [`node_search`]: the engine that is always there, a read model in Postgres;
//! - [`folding`]: the one way in which texts become words, in documents and in queries;
//! - [`Near`], [`SearchCursor`], [`SearchQuery`]: what was asked.
//!
//! Another engine becomes a folder beside `node_search` that implements [`SearchEngine`] and
//! [`SearchIndex`], with a feeder and a checkpoint of its own; its documents come out of the same
//! fold and the same folding. Who answers is chosen where the engines are made.

mod cursor;
mod engine;
pub mod folding;
mod index;
mod near;
pub mod node_search;
mod typo;

pub use cursor::SearchCursor;
pub use engine::{
    EngineFuture, EngineGeneration, Hit, SearchEngine, SearchPage, SearchQuery, Standing, Suggestions,
};
pub use index::{Line, Refused, SearchIndex};
pub use near::{BadNear, Near};
pub use node_search::{NodeSearch, PostgresSearch};
