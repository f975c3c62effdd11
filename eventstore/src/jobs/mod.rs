//! Work by the clock. One table says when each job is due; whoever takes it holds a lease, so that
//! of any number of processes one does it, once per period, and another one takes over when that
//! one dies.
//!
//! - [`Job`]: a name, a period, and what is to be done;
//! - [`Lease`]: the right to do it now. Everything a job writes into the log's database goes through
//!   [`Lease::begin`], so that a process that slept past its lease writes nothing;
//! - [`Jobs`]: takes what is due, renews, tells how it went;
//! - [`log_jobs`]: what the log itself needs; [`DropGenerations`] needs the owner's rights.

mod claim;
mod error;
mod generations;
mod job;
mod lease;
mod runner;
mod standing;
mod upkeep;

pub use error::JobError;
pub use generations::DropGenerations;
pub use job::{Job, JobFuture};
pub use lease::Lease;
pub use runner::{Jobs, Ran};
pub use standing::{JobStanding, standing};
pub use upkeep::{ExpireReceipts, ExpireWindows, PartitionsAhead, log_jobs};
