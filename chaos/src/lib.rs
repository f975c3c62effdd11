//! The fault runner: real processes and servers under mixed load, killed, paused and cut off from
//! each other at random, and a checker that says whether every promise held.
//!
//! A walk through one run ([`run`]):
//! 1. `site`: private servers, and behind each link between a process and a server a [`proxy`];
//! 2. `cast`: `api` processes with split roles; whoever ends is started again;
//! 3. `load`: callers send commands, each with an idempotency key and a trace of its own, again
//!    with the same key when the answer was lost; `watch`: readers of log and checkpoints;
//! 4. `plan`, `strike`: rounds of faults, decided by the seed alone, `poison` among them; after most rounds the time is
//!    taken until commands are acknowledged and read back again;
//! 5. the faults stop, the lag has to go to 0; what stayed unknown is asked again;
//! 6. [`history`] has it all as JSON lines; [`checker`] reads it beside the log, the stream and
//!    the read models and knows nothing of how it came about.
//!
//! The same seed gives the same faults in the same order; what they meet is up to the machine.

pub mod arguments;
mod cast;
pub mod checker;
pub mod history;
mod load;
mod plan;
mod poison;
mod proxy;
mod report;
mod run;
mod site;
mod standing;
mod strike;
mod watch;

pub use run::run;
