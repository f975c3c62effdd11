//! Conversation (Gespräch): the public talk about one subject. It is opened and closed as a
//! companion of its subject's events, in the same append.

mod events;
mod id;
mod state;
#[cfg(test)]
mod tests;

pub use events::{ConversationClosed, ConversationEvent, ConversationKind, ConversationOpened};
pub use id::{CONVERSATION_NAMESPACE, conversation_id};
pub use state::{CloseConversation, Conversation, ConversationCommand, OpenConversation};
