//! Forgetting a person.
//!
//! What was asked for stands in the log; [`Requests`] turns it into a row, [`Worker`] takes rows
//! through the [`Step`]s of [`Workflow`]. A step that was done is written down and never undone;
//! one that was not written down is done again, so each is harmless twice. A request that cannot
//! go on says why (`problem`) and is tried again until it can: until the certificate is there,
//! the person is not forgotten.

mod act;
mod bound;
mod collect;
mod plan;
mod reactor;
mod request;
mod step;
mod wait;
mod worker;
mod workflow;

pub use bound::BoundTo;
pub use plan::{Plan, plan};
pub(crate) use reactor::add;
pub use reactor::{Requests, look_again, note_request};
pub use request::{ForgetRequest, StepDone, find_request, request_status};
pub use step::Step;
pub use worker::Worker;
pub use workflow::{ForgetDeps, Progress, Workflow};
