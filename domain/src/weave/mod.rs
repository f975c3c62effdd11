//! The Weltgewebe: accounts tie nodes, every node has a public conversation.
//!
//! One folder per aggregate (commands, events, state, rules, tests beside them); `values` holds
//! what they share. Direct conversations and proposals become folders of their own next to these.

pub mod account;
pub mod conversation;
pub mod message;
pub mod node;
pub mod values;

use kernel::Name;

/// Second token of this context's stream subjects.
pub const CONTEXT: Name = Name::constant("weave");
