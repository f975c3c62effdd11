use super::{empty_root, node_hash};
use crate::canonical::Hash;

/// A proof does not show what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    #[error("the proof has another length than a tree of this size gives it")]
    Length,
    #[error("the leaf is not in a tree of this size")]
    Outside,
    #[error("the proof leads to another root")]
    Root,
    #[error("the proof does not begin at the old root")]
    OldRoot,
}

/// Whether the leaf with this hash is leaf `index` of the tree (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`BadProof`]
pub fn check_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    path: &[Hash],
    root: &Hash,
) -> Result<(), BadProof> {
    if index >= size {
        return Err(BadProof::Outside);
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for step in path {
        if last == 0 {
            return Err(BadProof::Length);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(step, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(BadProof::Root),
        _ => Err(BadProof::Length),
    }
}

/// Whether the tree of `new` leaves goes on where that of `old` leaves ended (RFC 9162, 2.1.4.2).
/// Everything goes on from the empty tree, and the same tree from itself, with an empty proof.
///
/// # Errors
/// [`BadProof`]
pub fn check_consistency(
    old: u64,
    new: u64,
    path: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), BadProof> {
    if old > new {
        return Err(BadProof::Outside);
    }
    if old == new || old == 0 {
        return match path {
            [] if old == 0 && *old_root != empty_root() => Err(BadProof::OldRoot),
            [] if old == new && old_root != new_root => Err(BadProof::Root),
            [] => Ok(()),
            _ => Err(BadProof::Length),
        };
    }
    // A full old tree is a node of the new one: the proof leaves it out.
    let begins = if old.is_power_of_two() { Some(old_root) } else { None };
    let mut steps = begins.into_iter().chain(path);
    let Some(first) = steps.next() else { return Err(BadProof::Length) };
    let (mut at, mut last) = (old - 1, new - 1);
    let down = at.trailing_ones();
    at >>= down;
    last >>= down;
    let (mut of_old, mut of_new) = (*first, *first);
    for step in steps {
        if last == 0 {
            return Err(BadProof::Length);
        }
        if at & 1 == 1 || at == last {
            of_old = node_hash(step, &of_old);
            of_new = node_hash(step, &of_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            of_new = node_hash(&of_new, step);
        }
        at >>= 1;
        last >>= 1;
    }
    match (last, of_old == *old_root, of_new == *new_root) {
        (0, true, true) => Ok(()),
        (0, false, _) => Err(BadProof::OldRoot),
        (0, true, false) => Err(BadProof::Root),
        _ => Err(BadProof::Length),
    }
}
