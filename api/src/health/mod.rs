//! `/health`: whether the process lives, and whether it and everything it needs can work.

mod checks;
mod ready;
mod redis;

pub use ready::{HealthDocument, ServiceDocument, Status, live, ready};
pub use redis::RedisProbe;
