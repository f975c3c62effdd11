//! The stream on JetStream that carries the log to its readers: sequence == position.
//!
//! - [`StreamClient`]: one connection to NATS; makes sure the stream is there and is as it should
//!   be ([`StreamConfig`]), and says how it stands ([`StreamState`]);
//! - [`Outgoing`], [`Encoder`]: an event as a message, its subject, headers and body;
//! - [`shard`]: which of 64 shards an aggregate belongs to;
//! - [`Tail`]: a reader that starts again by itself whatever happens to the stream;
//! - [`verify`] and [`rebuild`]: compare the stream with the log, make it anew from the log.
//!
//! The stream is a copy that may be lost, cut or rolled back at any time; Postgres is the truth.

mod client;
mod config;
mod ensure;
mod erase;
mod error;
mod message;
mod rebuild;
mod shard;
mod state;
mod tail;
mod verify;

pub use client::StreamClient;
pub use config::{STREAM, SUBJECTS, StreamConfig};
pub use ensure::{Ensured, epoch_start};
pub use error::StreamError;
pub use message::{Contexts, Encoder, Outgoing, header};
pub use rebuild::{complete, rebuild};
pub use shard::{SHARDS, shard};
pub use state::{MessageId, StreamState};
pub use tail::{StreamMessage, Tail};
pub use verify::{Difference, StreamReport, verify};
