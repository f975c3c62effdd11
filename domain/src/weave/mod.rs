//! The Weltgewebe: accounts tie nodes, every node has a public conversation.
//!
//! One folder per aggregate (commands, events, state, rules, tests beside them); `values` holds
//! what they share. Messages, direct conversations and proposals become folders of their own
//! next to these: a message is its own stream and never part of `conversation`.

pub mod account;
pub mod conversation;
pub mod node;
pub mod values;

use kernel::Name;

/// Second token of this context's stream subjects.
pub const CONTEXT: Name = Name::constant("weave");
