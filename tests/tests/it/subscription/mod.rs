//! The subscription runtime: one effect per event, whatever the stream, the database or an event
//! does.

mod feed;
mod group;
mod parking;
mod stream;
pub mod toy;
