//! What all queries have in common: catching up with `Min-Position`, entity tags,
//! the envelope of lists, and what their failures look like.

mod caught_up;
mod document;
mod failure;
mod list;
mod run;

pub use caught_up::{Caught, caught_up};
pub use document::{Caching, ListDocument, PageDocument, answer, written};
pub use list::{Asked, id, limit, sentence};
pub use run::run;
