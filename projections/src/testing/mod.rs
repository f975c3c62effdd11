//! For the tests of this crate: events as the log has them, folds without a database, and a
//! throw-away database for those who ask for one.

mod events;
mod numbers;
mod scratch;

pub use events::{ACTOR, Story, fixtures, fold, occurred_at};
pub use numbers::Numbers;
pub use scratch::Scratch;
