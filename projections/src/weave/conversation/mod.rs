//! Conversations and what was said in them: `GET /v1/conversations/{id}/messages`.
//!
//! A row is a conversation or a message. Contents stay sealed and are opened per answer. Whether
//! a closed conversation is kept as an archive or is gone is decided here, at the position of its
//! closing: it depends on whether anything was said until then.

mod answer;
mod change;
mod columns;
mod projection;
mod queries;
mod row;
mod sink;
#[cfg(test)]
mod tests;

pub use answer::{Author, ConversationSummary, MessageList, MessageShape};
pub use change::{ConversationChange, ConversationFact};
pub use projection::{ConversationKey, Conversations};
pub use queries::messages_of;
pub use row::{ConversationFields, ConversationRow, ConversationState, MessageFields};
