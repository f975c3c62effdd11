//! What crosses both sides: forgetting a person, holds, export, redaction, retention.
//!
//! - [`forget`]: the workflow, resumable after every step, and the loop that works on requests;
//! - [`redact`]: takes out of the log, and of all that was made from it, what slipped into a plain field;
//! - [`ledger`]: who was forgotten, in a file outside every database, for after a restore;
//! - [`scan`]: greps the bytes of every store for values that must not be there;
//! - [`certificate`]: signed, without personal data, checked by anybody without a server.

pub mod certificate;
mod error;
pub mod export;
pub mod forget;
pub mod ledger;
pub mod redact;
pub mod retention;
pub mod scan;
mod secret_file;

pub use error::LifecycleError;
