//! Read models: their schemas, their folds from events to rows, and their queries.
//!
//! - [`weave`]: node and account, on the map and on their pages;
//! - [`audit`]: where in the log something is, for auditors;
//! - [`search`]: engines that find nodes by their words;
//! - [`cache`]: answers that many ask for, kept for a moment;
//! - [`live`]: what an event is about, for those who watch the log;
//! - [`geo`]: boxes of coordinates and the index ranges that cover them;
//! - [`Sealed`]: the only form in which a row holds personal data;
//! - [`Page`], [`MapCursor`], [`ReadError`]: what every query answers with.
//!
//! Queries read the views of the schema `read` and say in the same statement how far the read
//! model was. Folds and their SQL are unqualified: the runtime sets the generation's schema.

mod array_literal;
pub mod audit;
pub mod cache;
mod copy;
mod cursor;
mod error;
pub mod geo;
pub mod live;
mod millis;
mod opened;
mod opt_millis;
mod origin;
mod page;
mod sealed;
pub mod search;
#[cfg(test)]
mod testing;
pub mod weave;

pub use cursor::{BadCursor, MapCursor, PositionCursor};
pub use error::ReadError;
pub use origin::Origin;
pub use page::{MAX_LIST, Page};
pub use sealed::Sealed;
