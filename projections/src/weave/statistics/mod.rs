//! How much there is and how many take part: `GET /v1/stats`.
//!
//! A row per day and kind of thing, so that a million nodes are some hundred rows to add up; a
//! row per day and account that acted, and one per account with its last day, so that a window
//! of thirty days counts every account once. Windows are set by the clock of the question.

mod change;
mod key;
mod projection;
mod queries;
mod sink;
#[cfg(test)]
mod tests;

pub use change::StatChange;
pub use key::{StatKey, StatRow, Thing};
pub use projection::Statistics;
pub use queries::{ActiveAccounts, Totals, totals};
