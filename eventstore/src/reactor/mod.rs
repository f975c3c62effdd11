//! Where reactors are. A reactor follows events with appends of its own; its point moves in those
//! appends ([`ReactorStep`](crate::append::ReactorStep)), so that nothing is done twice and nothing
//! is left out, and it is never replayed: what it did stands in the log.

mod checkpoint;
mod next;

pub use checkpoint::{ReactorCheckpoint, point_of, reactor_checkpoints, register};
pub use next::{Next, next_event};
