//! The append: what a caller asks for, and the one task per process that writes it.

mod appender;
mod batch;
mod call;
mod lanes;
mod request;

pub use appender::{Appender, AppenderConfig, AppenderStats};
pub use request::{
    Append, Assert, Committed, EventToStore, Outcome, ReactorPoint, ReactorStep, Receipt, Reservation,
    StoredReceipt, Write,
};
