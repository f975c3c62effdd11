//! The Merkle tree of RFC 6962, in tiles of 256.
//!
//! A tree of n leaves has one root; a proof of inclusion leads from a leaf to it, a proof of
//! consistency from the root of a smaller tree to it. Which nodes a proof consists of is pure
//! arithmetic ([`shape`]); their hashes come from tiles, which hold eight levels of the tree each.
//! Leaf i of the tree is the event at position i + 1.

mod frontier;
mod hash;
mod proof;
mod shape;
mod tiles;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod vectors;

pub use frontier::Frontier;
pub use hash::{empty_root, fold, leaf_hash, node_hash};
pub use proof::{BadProof, check_consistency, check_inclusion};
pub use shape::{Node, consistency, inclusion, parts};
pub use tiles::{TILE, TileId, TilePath, Tiles, root_of_range};
