use sha2::{Digest, Sha256};

use crate::canonical::Hash;

/// `SHA-256(0x00 ‖ leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(leaf);
    hash.finalize().into()
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over full subtrees that stand side by side, the largest first.
#[must_use]
pub fn fold(subtrees: &[Hash]) -> Hash {
    let mut from_right = subtrees.iter().rev();
    match from_right.next() {
        None => empty_root(),
        Some(last) => from_right.fold(*last, |right, left| node_hash(left, &right)),
    }
}
