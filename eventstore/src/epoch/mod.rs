//! Epochs: what happens when the log goes on on another server.
//!
//! A promoted replica and a restored backup carry the head row of the server they were copied
//! from, but are another server (system identifier, timeline), and may lack the log's last events.
//! Every connection is refused there ([`Fence`](crate::Fence)) until somebody decides:
//! 1. [`status`] says what the head row and the server say of themselves;
//! 2. [`evidence`] asks the stream what it holds that this log does not;
//! 3. [`advance`] begins the next epoch in one transaction, or refuses and says why;
//! 4. [`announce`] puts the decision into the log and into a file outside the database.
//!
//! The next epoch has a stream of its own that begins after the head; the one before is set aside
//! by the next relay and keeps what was lost.

mod advance;
mod announce;
mod checkpoint_file;
mod evidence;
mod status;

pub use advance::{Advance, AdvanceError, Advanced, BeyondHead, advance};
pub use announce::{Announced, announce, platform_stream};
pub use checkpoint_file::{CheckpointFile, CheckpointLine};
pub use evidence::{Evidence, Lost, StreamTail, evidence};
pub use status::{EpochRow, EpochStatus, ServerIdentity, Standing, epochs, status};
