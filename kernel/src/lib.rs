//! The small shared kernel: what every other crate agrees on.
//!
//! - [`AggregateRef`], [`Position`], [`Version`]: what an event belongs to and where it stands;
//! - [`NewEvent`] and [`RecordedEvent`]: an event before and after it is in the log;
//! - [`Personal`]: the only form in which personal data may be part of an event;
//! - [`Plain`]: a public text that may have been redacted;
//! - [`Clock`]: time comes in from outside, so that tests can turn it;
//! - [`Projection`]: a pure fold from events to the rows of a read model;
//! - [`crash_point!`]: a named place where the fault tests kill the process.
//!
//! No I/O, no cryptography, no other crate of ours.

mod aggregate;
mod clock;
pub mod crash;
mod event;
mod metadata;
mod personal;
mod plain;
mod projection;

pub use aggregate::{AggregateRef, InvalidName, Name, Position, Version};
pub use clock::{Clock, ManualClock, SystemClock, truncate_to_millis};
pub use event::{NewEvent, RecordedEvent};
pub use metadata::{Actor, Metadata};
pub use personal::{Class, Envelope, Personal};
pub use plain::Plain;
pub use projection::{Projection, Undecodable};

/// Stable names of the platform's own events (no bounded context owns them).
pub mod platform {
    pub const FORGET_REQUESTED: &str = "ForgetRequested";
    pub const PERSON_FORGOTTEN: &str = "PersonForgotten";
    pub const HOLD_PLACED: &str = "HoldPlaced";
    pub const HOLD_RELEASED: &str = "HoldReleased";
    pub const FIELD_REDACTED: &str = "FieldRedacted";
    pub const EPOCH_ADVANCED: &str = "EpochAdvanced";
}
