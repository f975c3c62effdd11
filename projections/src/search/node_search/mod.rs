//! The engine that is always there: a read model in Postgres, so that rebuild, verify and swap
//! are those of every read model.
//!
//! - [`NodeSearch`]: the fold; rows are nodes, and accounts as far as "may they find their own";
//! - [`PostgresSearch`]: the engine over its tables.
//!
//! The folding happens here and not in Postgres, whose idea of a letter depends on the database's
//! locale. Postgres stems (German snowball) what is folded already: in its rules an umlaut is a
//! vowel like the one without dots, so folding first changes no stem. It is asked once per word and
//! not once per text; the vectors are put together here.

mod change;
mod engine;
mod index;
mod projection;
mod queries;
mod row;
mod sink;
mod stems;
#[cfg(test)]
mod tests;
pub(in crate::search) mod texts;
mod vector;

pub use change::{OwnerFact, SearchChange};
pub use engine::PostgresSearch;
pub use projection::NodeSearch;
pub use row::SearchRow;
