//! What a command works on: Postgres, NATS and the key store, by URL or private.

mod engines;
mod open;
mod place;

pub use open::Servers;
pub use place::Need;
