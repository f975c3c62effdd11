//! Signed notes (C2SP signed-note) and what we sign in them.
//!
//! A note is a text, an empty line, and signatures, each over the text and by a key with a name.
//! - [`Checkpoint`]: size and root of the tree (C2SP tlog-checkpoint), with our own lines behind;
//! - [`KeyChange`]: a new key, signed by the one before.

mod checkpoint;
mod key_change;
mod public_key;
mod signed;

pub use checkpoint::{AccessMark, Checkpoint, Fork};
pub use key_change::KeyChange;
pub use public_key::{KeyId, PublicKey};
pub use signed::{BadNote, SignedNote};
