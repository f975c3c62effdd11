//! Read models as they were at a position: built from the log beside everything else, compared with
//! it, read by people only.

mod build;
mod listed;
mod moment;

pub use build::{PastBuilt, build_past};
pub use listed::{PastReadModel, drop_past, past_read_models};
pub use moment::position_at;

/// A table's schema, and that of the views of one position.
fn schemas(projection: &str, position: kernel::Position) -> (String, String) {
    (format!("{projection}_at_{position}"), format!("read_at_{position}"))
}
