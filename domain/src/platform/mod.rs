//! What belongs to no bounded context: what the platform records about a person's data.

pub mod person;

use kernel::Name;

/// Second token of this context's stream subjects.
pub const CONTEXT: Name = Name::constant("platform");
