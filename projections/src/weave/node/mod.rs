//! What the node's read models share: its events as rows need them, its fields after each
//! event, the columns that hold them and the shape that answers show.

mod arrays;
mod change;
mod columns;
mod copied;
mod fields;
mod payload;
mod shape;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use arrays::NodeArrays;
pub use change::{NODE_EVENT_TYPES, NodeChange, NodeFact};
pub(crate) use columns::NodeColumns;
pub(crate) use copied::{COPIED, copy};
pub use fields::NodeFields;
pub use payload::{Field, Removed, Revised, Tied, VisibilityChanged};
pub use shape::NodeShape;
