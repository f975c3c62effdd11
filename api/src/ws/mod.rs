//! `GET /v1/ws`: conversations both ways.
//!
//! - [`upgrade`]: who may open one, and from where ([`origin`]);
//! - [`session`]: one connection; [`ends`]: its first frame and its last;
//! - [`post`](mod@post): a message, by the very command of HTTP;
//! - [`frames`]: what is said, in JSON; [`Bucket`]: how often;
//! - [`Presence`]: who is typing and who is there, between all processes, kept by nobody.

mod bucket;
mod ends;
mod frames;
mod origin;
mod post;
mod presence;
mod session;
mod upgrade;

pub use bucket::Bucket;
pub use presence::Presence;
pub use upgrade::ws;
