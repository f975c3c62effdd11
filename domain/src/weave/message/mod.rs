//! Message (Beitrag): one post in a conversation. Each is its own stream, so that a hot
//! conversation does not serialise its writers.

mod commands;
mod decide;
mod events;
mod state;
#[cfg(test)]
mod tests;

pub use commands::{
    EditMessage, MessageCommand, MessageCommandKind, PostMessage, TombstoneMessage, UnbindMessageAuthor,
};
pub use events::{MessageAuthorUnbound, MessageEdited, MessageEvent, MessagePosted, MessageTombstoned};
pub use state::{LiveMessage, Message};
