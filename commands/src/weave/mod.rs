//! Handlers of the Weltgewebe: one file per aggregate.

mod accounts;
mod messages;
mod nodes;

pub use accounts::EMAIL;
pub use messages::MESSAGES;
pub use nodes::GUEST_NODES;
