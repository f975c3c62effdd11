//! Our trees and proofs against those of another implementation, and against an attacker.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use sha2::Sha256;

use super::{
    Frontier, TILE, TileId, Tiles, check_consistency, check_inclusion, consistency, inclusion, leaf_hash,
    root_of_range,
};
use crate::canonical::Hash;

pub fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A tree with every tile at hand.
pub struct Leaves(pub Vec<Hash>, Tiles);

impl Leaves {
    pub fn of(leaves: Vec<Hash>) -> Self {
        let mut tiles = Tiles::default();
        let mut hashes = leaves.clone();
        for level in 0.. {
            let mut above = vec![];
            for (index, tile) in hashes.chunks(TILE as usize).enumerate() {
                tiles.insert(TileId { level, index: index as u64 }, tile.to_vec());
                if tile.len() as u64 == TILE {
                    let mut whole = Frontier::default();
                    tile.iter().for_each(|hash| whole.push(*hash));
                    above.push(whole.root());
                }
            }
            if above.is_empty() {
                break;
            }
            hashes = above;
        }
        Self(leaves, tiles)
    }

    fn of_size(size: u64) -> Self {
        Self::of((0..size).map(|number| leaf_hash(&content(number))).collect())
    }

    pub fn root(&self, size: u64) -> Hash {
        root_of_range(&self.1, 0..size).unwrap()
    }

    pub fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        inclusion(index, size).into_iter().map(|range| root_of_range(&self.1, range).unwrap()).collect()
    }

    pub fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency(old, new).into_iter().map(|range| root_of_range(&self.1, range).unwrap()).collect()
    }
}

fn content(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn flat(path: &[Hash]) -> Vec<u8> {
    path.concat()
}

#[test]
fn roots_and_proofs_are_those_of_ct_merkle() {
    let mut random = StdRng::seed_from_u64(6962);
    let (mut theirs, mut frontier) = (MemoryBackedTree::<Sha256, Vec<u8>>::new(), Frontier::default());
    // Beyond 65,536 there is a third level of tiles.
    let sizes: Vec<u64> = (1..=70).chain([255, 256, 257, 511, 513, 65_535, 65_537, 66_000]).collect();
    let ours = Leaves::of_size(66_000);
    for size in sizes {
        while frontier.size() < size {
            theirs.push(content(frontier.size()));
            frontier.push(ours.0[frontier.size() as usize]);
        }
        let root: Hash = theirs.root().as_bytes()[..].try_into().unwrap();
        assert_eq!((hex(&frontier.root()), hex(&ours.root(size))), (hex(&root), hex(&root)), "{size}");
        let all = size <= 70;
        let some: Vec<u64> =
            if all { (0..size).collect() } else { (0..40).map(|_| random.random_range(0..size)).collect() };
        for index in some {
            let path = ours.inclusion(index, size);
            let proof = theirs.prove_inclusion(index as usize);
            assert_eq!(flat(&path), proof.as_bytes(), "{index} in {size}");
            check_inclusion(index, size, &ours.0[index as usize], &path, &root).unwrap();
            let old = index + 1;
            if old < size {
                let path = ours.consistency(old, size);
                let proof = theirs.prove_consistency((size - old) as usize);
                assert_eq!(flat(&path), proof.as_bytes(), "{old} to {size}");
                check_consistency(old, size, &path, &ours.root(old), &root).unwrap();
            }
        }
    }
}

/// One change that makes a proof say something else.
fn mutate(random: &mut StdRng, path: &mut Vec<Hash>) {
    match random.random_range(0..5) {
        0 if !path.is_empty() => {
            let (at, bit) = (random.random_range(0..path.len()), random.random_range(0..256));
            path[at][bit / 8] ^= 1 << (bit % 8);
        }
        1 if !path.is_empty() => _ = path.remove(random.random_range(0..path.len())),
        2 if path.len() > 1 => {
            let at = random.random_range(1..path.len());
            path.swap(at - 1, at);
        }
        3 if !path.is_empty() => {
            let at = random.random_range(0..path.len());
            let twice = path[at];
            path.insert(at, twice);
        }
        _ => {
            let mut more = [0; 32];
            random.fill_bytes(&mut more);
            path.insert(random.random_range(0..=path.len()), more);
        }
    }
}

#[test]
fn a_hundred_thousand_mutated_proofs_are_refused() {
    let mut random = StdRng::seed_from_u64(100_000);
    let ours = Leaves::of_size(1_000);
    let roots: Vec<Hash> = (0..=1_000).map(|size| ours.root(size)).collect();
    let mut refused = 0;
    while refused < 100_000 {
        let size = random.random_range(2..=1_000_u64);
        let (index, old) = (random.random_range(0..size), random.random_range(1..size));
        let root = roots[size as usize];
        let leaf = ours.0[index as usize];
        let (path, consistent) = (ours.inclusion(index, size), ours.consistency(old, size));
        assert_eq!(check_inclusion(index, size, &leaf, &path, &root), Ok(()));
        assert_eq!(check_consistency(old, size, &consistent, &roots[old as usize], &root), Ok(()));

        let mut other = path.clone();
        mutate(&mut random, &mut other);
        assert!(check_inclusion(index, size, &leaf, &other, &root).is_err(), "{index} in {size}: {other:?}");
        let mut other = consistent.clone();
        mutate(&mut random, &mut other);
        let checked = check_consistency(old, size, &other, &roots[old as usize], &root);
        assert!(checked.is_err(), "{old} to {size}: {other:?}");

        // The right path for something else: another place, leaf, size or root.
        let place = random.random_range(0..size);
        if place != index {
            assert!(check_inclusion(place, size, &leaf, &path, &root).is_err(), "{index} as {place}");
            assert!(check_inclusion(index, size, &ours.0[place as usize], &path, &root).is_err());
        }
        let another = random.random_range(1..=1_000_u64);
        if another != size {
            let theirs = roots[another as usize];
            assert!(check_inclusion(index, size, &leaf, &path, &theirs).is_err());
            assert!(check_consistency(old, size, &consistent, &roots[old as usize], &theirs).is_err());
        }
        if another != old {
            let theirs = roots[another as usize];
            assert!(check_consistency(old, size, &consistent, &theirs, &root).is_err(), "{old} as {another}");
        }
        refused += 6;
    }
}

#[test]
fn nothing_but_the_empty_proof_goes_on_from_nothing() {
    let ours = Leaves::of_size(3);
    let (empty, root) = (super::empty_root(), ours.root(3));
    assert_eq!(check_consistency(0, 3, &[], &empty, &root), Ok(()));
    assert!(check_consistency(0, 3, &[], &root, &root).is_err());
    assert!(check_consistency(0, 3, &[root], &empty, &root).is_err());
    assert!(check_consistency(3, 3, &[], &root, &empty).is_err());
    assert!(check_consistency(3, 2, &[], &root, &root).is_err());
    assert!(check_inclusion(3, 3, &root, &[], &root).is_err());
    assert!(check_inclusion(0, 0, &root, &[], &root).is_err());
}
