//! What is stored about the tree: seals, tiles, keys.

mod keys;
mod seals;
mod tiles;

pub use keys::{KeyRow, audit_keys, origin};
pub use seals::{Seal, last_seal, seal_at, seals_after};
pub use tiles::{load_tile, roots};
