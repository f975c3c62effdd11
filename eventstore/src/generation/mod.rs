//! Generations of read models: built beside the live one, compared, switched, kept, dropped.
//!
//! Everything in here runs on the owner's connection: the runtime role owns nothing.
//!
//! - [`install`]: the first generation of every read model, at start;
//! - [`rebuild`]: the next one from the log, compared with it, then shown; [`rollback`] goes back,
//!   [`drop_expired`] ends the time in which that is possible;
//! - [`verify`]: every row of the live generations against a fold from scratch.

mod check;
mod claim;
mod compare;
mod error;
mod fill;
mod index;
mod install;
mod progress;
mod reader;
mod rebuild;
mod retire;
mod schema;
mod scratch;
mod snapshots;
mod switch;
mod tables;
mod verify;

pub use compare::{Difference, DifferenceKind};
pub use error::GenerationError;
pub use install::{Installed, install};
pub use progress::{Progress, Report};
pub use rebuild::{Rebuilt, rebuild};
pub use retire::{ROLLBACK_WINDOW, drop_expired};
pub use switch::rollback;
pub use verify::{Verified, verify};
