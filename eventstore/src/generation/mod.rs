//! Generations of read models: built beside the live one, compared, switched, kept, dropped.
//!
//! Everything in here runs on the owner's connection: the runtime role owns nothing.
//!
//! - [`install`]: the first generation of every read model, at start;
//! - [`rebuild`]: the next one from the log, compared with it, then shown; [`rollback`] goes back,
//!   [`drop_expired`] ends the time in which that is possible;
//! - [`build_past`]: a read model as it was at a position, for people;
//! - [`verify`]: every row of the live generations against a fold from scratch.

mod check;
mod claim;
mod compare;
mod error;
mod fill;
mod index;
mod install;
mod past;
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

pub use claim::claimed;
pub use compare::{Difference, DifferenceKind};
pub use error::GenerationError;
pub use install::{Installed, install};
pub use past::{PastBuilt, PastReadModel, build_past, drop_past, past_read_models, position_at};
pub use progress::{Progress, Report};
pub use rebuild::{Rebuilt, rebuild};
pub use retire::{ROLLBACK_WINDOW, drop_expired};
pub use switch::rollback;
pub use verify::{Verified, verify};
