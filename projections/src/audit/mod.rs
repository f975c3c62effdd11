//! Read models for auditors.
//!
//! - [`audit_index`]: where in the log is what somebody did, or what followed from it.

pub mod audit_index;
