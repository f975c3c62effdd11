//! What belongs to no bounded context: what the platform records about a person's data, and about what
//! was removed from the log.

pub mod person;
pub mod redaction;

use kernel::Name;

/// Second token of this context's stream subjects.
pub const CONTEXT: Name = Name::constant("platform");
