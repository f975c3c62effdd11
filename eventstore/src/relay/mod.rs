//! The relay: publishes the log to the stream, in order, each event at the sequence that is its
//! position.
//!
//! Any number of relays may run. What keeps them apart is the header `Nats-Expected-Last-Sequence`
//! on every publish: the stream takes position n only after n − 1. The lease in the outbox row only
//! spares useless work. A walk through one round ([`Relay::step`]):
//! 1. hold the lease, or stand by (`cursor`);
//! 2. after a start, a reconnect or a refusal: ask the stream where it stands and compare its last
//!    message with the log (`sync`). Same → go on after it. Other → fork: stop, alarm;
//! 3. read the next page of the log while the last one is being published (`source`);
//! 4. publish up to the window's size without waiting (`window`), take in the answers (`answer`);
//! 5. now and then write the cursor.
//!
//! A relay that cannot publish lags; it never refuses a command.

mod answer;
mod config;
mod cursor;
mod error;
mod publish;
mod refusal;
mod source;
mod stats;
mod step;
mod sync;
mod window;

pub use config::RelayConfig;
pub use error::RelayError;
pub use refusal::Refusal;
pub use stats::{RelayState, RelayStats};
pub use step::{Relay, Step};
