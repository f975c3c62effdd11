//! The OpenAPI document: commands from the table of collections, queries by hand.

mod commands;
mod document;
mod queries;
mod shapes;

pub use document::{document, json, pretty};
