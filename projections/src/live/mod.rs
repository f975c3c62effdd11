//! What an event is about, for those who watch the log as it grows: which node, where that was
//! and who might see it at this very position.
//!
//! - [`About`]: node, conversation, account, place before and after, audience;
//! - [`Whereabouts`]: finds it out for a page of events, with a bounded memory.
//!
//! It asks the log, never a read model: a read model is somewhere else than the event.

mod about;
mod standing;
mod whereabouts;

pub use about::{About, Audience};
pub use standing::{Place, Standing};
pub use whereabouts::{Links, Whereabouts};
