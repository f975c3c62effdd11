//! The Weltgewebe over HTTP: one folder per collection, with its commands as they are written
//! in JSON (`wire`) and its queries.

pub mod accounts;
pub mod activity;
pub mod conversations;
pub mod messages;
pub mod nodes;
mod point;
pub mod search;
pub mod statistics;
pub mod threads;
pub mod trending;

pub use point::Point;
