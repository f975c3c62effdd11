//! Who is bound to what: the nodes and messages of an account, until the system unbinds them.
//! Nobody is shown this; the reactor that follows an account's leaving works through it.

mod projection;
mod queries;
mod reactions;
mod sink;
#[cfg(test)]
mod tests;

pub use projection::{Authorship, Bound};
pub use queries::{BoundWorks, bound_works};
pub use reactions::{Reactions, reactions};
