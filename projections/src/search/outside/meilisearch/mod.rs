//! Meilisearch: one index that readers ask and one beside it, swapped.
//!
//! What its answers look like is in `tests/fixtures/wire/meilisearch`. Every write is a task that
//! may fail later, as a whole, for the sake of one document; a task that is waiting does not move
//! with a swap. Which generation is in which of the two indexes says the mark in it.

mod adapter;
mod answer;
mod http;
mod query;
mod sent;
mod settings;

pub use adapter::MeiliSearch;

pub(super) const ENGINE: &str = "meilisearch";
