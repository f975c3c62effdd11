//! `/health`: whether the process lives, and whether it and everything it needs can work.

mod checks;
mod ready;

pub use ready::{HealthDocument, ServiceDocument, Status, live, ready};
