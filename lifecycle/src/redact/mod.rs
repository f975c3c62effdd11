//! Redaction: what slipped into a plain field of an event is taken out of the log and of everything
//! that was made from it. For personal data there are keys to destroy; this is for the rest.
//!
//! The event says from then on `{"$redacted": true}` where the field was. [`Workflow`] goes through
//! the [`Step`]s; one that was done is written down, one that was not is done again, so each is
//! harmless twice and a killed one goes on with the next call. At most one at a time.

mod clear;
mod plan;
mod step;
mod steps;
mod workflow;

pub use plan::{Plan, held_by, plan};
pub use step::Step;
pub use workflow::{RedactDeps, Redacted, Told, Wish, Workflow};
