//! Typesense: collections per generation behind one alias.
//!
//! What its answers look like is in `tests/fixtures/wire/typesense`. Its import answers 200 and a
//! verdict per line; it takes places that are nowhere (so they are checked before); it compares no
//! versions (so there is one writer); a `GET` goes through an alias (so nothing is ever deleted by
//! the alias's name).

mod adapter;
mod answer;
mod query;
mod schema;
mod sent;

pub use adapter::TypesenseSearch;

pub(super) const ENGINE: &str = "typesense";
