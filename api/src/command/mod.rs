//! Commands over HTTP: `POST /v1/{collection}/{id}/{command}`.
//!
//! - [`WireCommand`]: one command as it is written in JSON;
//! - [`Collection`], [`Collections`]: the table of all commands; routes and documentation come
//!   from it, so that a new aggregate is one registration.

mod answer;
mod collection;
mod handle;
mod json;
mod request;
mod wire;

pub(crate) use answer::answer_json;
pub use answer::{AnswerDocument, AnswerEventDocument};
#[cfg(test)]
pub(crate) use collection::assert_complete;
pub use collection::{Collection, Collections, CommandRoute};
pub(crate) use handle::{COMMAND_TIME, carry_out};
pub(crate) use json::parse;
pub(crate) use request::{command_request, parse_id, path_id};
pub use wire::{ErrorDoc, WireCommand};
