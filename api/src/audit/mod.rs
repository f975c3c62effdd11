//! `/v1/audit`: the log as it is stored, for auditors.

mod events;

pub use events::{AuditEventDocument, events};
