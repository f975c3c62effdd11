//! Salvage: events that the stream still holds and this log has lost.
//!
//! An asynchronous replica that was promoted lacks what the old primary had not sent it yet. The
//! relay publishes within milliseconds, so the stream often has those events. A walk:
//! 1. [`find`] names the surplus of one epoch's stream and says whether it can go back: only when
//!    nothing was appended where it belongs;
//! 2. [`examine`] reads it through and says how far it can be put back: every message has to be
//!    there, whole, and the next one of its aggregate, and an append whole or not at all;
//! 3. [`reappend`] puts it back page by page, each page one transaction: the same positions, ids,
//!    versions, times and hashes, so that log and stream are one again and the loss shrinks to what
//!    the relay had not published;
//! 4. what cannot go back is written to a file ([`write_file`]) and named.
//!
//! Not in the stream, and therefore not salvaged: receipts of idempotency keys, reservations (the
//! log restores them: `replay reservations rebuild`) and foreign ids of imported aggregates.

mod error;
mod examine;
mod file;
mod find;
mod message;
mod reappend;
mod tail;

pub use error::SalvageError;
pub use examine::{Examined, examine};
pub use file::{Written, write_file};
pub use find::{Surplus, Way, find};
pub use message::{Content, SurplusEvent, SurplusMessage, Unusable};
pub use reappend::{Reappended, reappend};
