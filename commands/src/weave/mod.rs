//! Handlers of the Weltgewebe: one file per aggregate; and its reactors.

mod accounts;
mod messages;
mod nodes;
mod unbind;

pub use accounts::EMAIL;
pub use messages::MESSAGES;
pub use nodes::GUEST_NODES;
pub use unbind::{UnbindWorks, Works};
