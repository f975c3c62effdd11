use super::{fold, node_hash};
use crate::canonical::Hash;

/// A tree that only grows: the roots of its full subtrees, the largest first. 64 hashes at most,
/// whatever its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    full: Vec<Hash>,
}

impl Frontier {
    /// From the roots of the subtrees that [`parts`](super::parts)`(0..size)` names.
    #[must_use]
    pub const fn of(size: u64, full: Vec<Hash>) -> Self {
        Self { size, full }
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // As many full subtrees of equal height meet as the old size ends in ones.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.full.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.full.push(hash);
        self.size += 1;
    }

    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.full)
    }
}
