//! `replay`: what an operator does with the log: look, compare, rebuild, go back, decide.
//!
//! A walk through one call:
//! 1. [`Cli`] is parsed; every option is a flag and an environment variable (`cli`);
//! 2. Ctrl-C and SIGTERM cancel one token (`interrupt`);
//! 3. the command opens what it needs of Postgres, NATS and key store, by URL or on the private
//!    servers of the data folder, which are started where none run (`servers`);
//! 4. it works, telling its progress on standard error (`terminal`);
//! 5. its [`Answer`] goes to standard output, for people or as one JSON document, and decides the
//!    exit code (`run`); what was started is stopped again.

mod answer;
mod backup;
mod cli;
mod command;
mod failure;
mod interrupt;
mod run;
mod servers;
mod terminal;

pub use answer::Answer;
pub use cli::Cli;
pub use failure::Failure;
pub use run::{main, run};
pub use terminal::Screen;
