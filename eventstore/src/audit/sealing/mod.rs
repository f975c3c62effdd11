//! The sealer role: follows the log and signs what is there.
//!
//! Any number may run. The lease only spares useless work; what keeps two apart is the number of
//! the seal, which each can be only once. A walk through one round ([`Sealing::step`]):
//! 1. the keys that sign now are read (`keys`), the lease is held (`lease`);
//! 2. after a start: the last seal is read, the stored tree is compared with it (`tip`), and both
//!    with the last note outside the database (`outside`);
//! 3. once a second, or when 4,096 events wait, the leaves behind the last seal are hashed, and
//!    seal and full tiles are committed together (`commit`);
//! 4. the note goes to the checkpoint file. Killed before, the next start finds it missing there.
//!
//! A checkpoint never covers two epochs without saying so: the old one is sealed up to its end,
//! and the first seal of the next has the same size and names what was given up.

mod commit;
mod keys;
mod lease;
mod outside;
mod rotate;
mod stats;
mod step;
mod tip;

pub use rotate::{Rotated, rotate};
pub use stats::{SealingState, SealingStats};
pub use step::{Sealing, SealingConfig, SealingStep};
