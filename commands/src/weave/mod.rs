//! Handlers of the Weltgewebe: one file per aggregate. Messages come next, in `messages.rs`.

mod accounts;
mod nodes;

pub use accounts::EMAIL;
pub use nodes::GUEST_NODES;
