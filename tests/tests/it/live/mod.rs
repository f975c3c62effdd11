//! Who watches the log as it grows: server-sent events, WebSockets, and what strangers never see.

mod bench;
mod events;
mod listener;
mod map;
mod reading;
mod secrets;
mod talker;
mod talking;
