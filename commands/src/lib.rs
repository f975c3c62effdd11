//! The command side: load → decide → append, once, whoever else is at it.
//!
//! - [`Executor`]: runs one command against one aggregate;
//! - [`Handler`]: what an aggregate needs besides its own rules (other streams, reservations);
//! - [`past`]: what an aggregate was at an earlier point;
//! - [`reactor`]: processes that follow events with commands of their own;
//! - [`platform`]: the handler of what the platform records about a person;
//! - [`weave`]: the handlers of the Weltgewebe.

mod answer;
mod error;
mod executor;
mod handler;
pub mod past;
pub mod platform;
pub mod reactor;
mod request;
pub mod weave;

pub use answer::{Answer, AnswerEvent};
pub use error::CommandError;
pub use executor::{Executor, ExecutorConfig, ExecutorDeps, ExecutorStats};
pub use handler::{Beside, CommandWord, Handler};
pub use request::{Caller, CommandRequest, Idempotency};
