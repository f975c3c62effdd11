//! `GET /v1/ws`: conversations both ways.
//!
//! - [`upgrade`]: who may open one, and from where ([`origin`]);
//! - [`session`]: one connection, from its first frame to its last;
//! - [`frames`]: what is said, in JSON; [`Bucket`]: how often;
//! - [`Presence`]: who is typing and who is there, between all processes, kept by nobody.

mod bucket;
mod frames;
mod origin;
mod presence;
mod session;
mod upgrade;

pub use bucket::Bucket;
pub use presence::Presence;
pub use upgrade::ws;
