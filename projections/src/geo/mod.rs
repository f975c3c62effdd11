//! Boxes of coordinates, and the ranges of H3 cells in which their points lie.

mod bbox;
mod cell;
mod cover;
#[cfg(test)]
mod tests;

pub use bbox::{BBox, InvalidBBox};
pub use cell::{CELL_RESOLUTION, cell_of};
pub use cover::{CellRange, MAX_RANGES, cover, touches};
