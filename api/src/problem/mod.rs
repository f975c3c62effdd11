//! Every error the API answers: one problem document (RFC 9457) with a stable type.

mod command;
mod document;
mod known;

pub use document::{FieldError, Problem, ProblemDocument, TYPE_PREFIX};
