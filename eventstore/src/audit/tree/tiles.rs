use std::{collections::HashMap, fmt, ops::Range, str::FromStr};

use super::{Node, fold, node_hash, parts};
use crate::canonical::Hash;

/// Hashes of a full tile: eight levels of the tree.
pub const TILE: u64 = 256;
const HEIGHT: u32 = 8;

/// Tile `index` of a level: the hashes of 256 neighbours, each over 256 of the level below, or a
/// leaf's on level 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    pub level: u32,
    pub index: u64,
}

impl TileId {
    /// How many hashes it has in a tree of this size: 0 to 256.
    #[must_use]
    pub const fn width(self, size: u64) -> u64 {
        // 8 levels of 8 are all there is to 64 bits.
        let hashes = if self.level >= 8 { 0 } else { size >> (self.level * HEIGHT) };
        let before = self.index.saturating_mul(TILE);
        let width = hashes.saturating_sub(before);
        if width > TILE { TILE } else { width }
    }

    /// The tile a node is computed from, and which of its hashes.
    fn of(node: Node) -> (Self, Range<usize>) {
        let (level, rest) = (node.height / HEIGHT, node.height % HEIGHT);
        let first = node.index << rest;
        let from = usize::try_from(first % TILE).unwrap_or_default();
        (Self { level, index: first / TILE }, from..from + (1 << rest))
    }
}

/// A tile as C2SP's tlog-tiles names it: `<level>/<index>`, the index in groups of three digits,
/// `/x001/x234/067`, and `.p/<width>` behind it when the tile is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    pub tile: TileId,
    pub width: u64,
}

impl FromStr for TilePath {
    type Err = ();

    /// One spelling only, so that a cache holds each tile once.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (level, rest) = text.split_once('/').ok_or(())?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().map_err(|_| ())?),
            None => (rest, TILE),
        };
        let mut number = 0_u64;
        for group in index.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            let digits: u64 = digits.parse().map_err(|_| ())?;
            number = number.checked_mul(1_000).and_then(|big| big.checked_add(digits)).ok_or(())?;
        }
        let level = level.parse().map_err(|_| ())?;
        let path = Self { tile: TileId { level, index: number }, width };
        if level < 8 && (1..=TILE).contains(&width) && path.to_string() == text { Ok(path) } else { Err(()) }
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = vec![format!("{:03}", self.tile.index % 1_000)];
        let mut rest = self.tile.index / 1_000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1_000));
            rest /= 1_000;
        }
        groups.reverse();
        write!(f, "{}/{}", self.tile.level, groups.join("/"))?;
        if self.width < TILE { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Tiles at hand.
#[derive(Debug, Clone, Default)]
pub struct Tiles(HashMap<TileId, Vec<Hash>>);

impl Tiles {
    pub fn insert(&mut self, tile: TileId, hashes: Vec<Hash>) {
        self.0.insert(tile, hashes);
    }

    #[must_use]
    pub fn has(&self, tile: TileId) -> bool {
        self.0.contains_key(&tile)
    }

    /// The tiles that a range's root is computed from.
    pub fn needed(range: Range<u64>) -> impl Iterator<Item = TileId> {
        parts(range).into_iter().map(|node| TileId::of(node).0)
    }

    /// `None` when a tile is missing or too short.
    #[must_use]
    pub fn node(&self, node: Node) -> Option<Hash> {
        let (tile, within) = TileId::of(node);
        Some(subtree(self.0.get(&tile)?.get(within)?))
    }
}

/// The root over a range of leaves; `None` when a tile for it is missing.
#[must_use]
pub fn root_of_range(tiles: &Tiles, range: Range<u64>) -> Option<Hash> {
    let nodes = parts(range).into_iter().map(|node| tiles.node(node)).collect::<Option<Vec<_>>>()?;
    Some(fold(&nodes))
}

/// The root of a full subtree over these hashes; their number is a power of two.
fn subtree(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            node_hash(&subtree(left), &subtree(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_has_one_name() {
        for (name, level, index, width) in [
            ("0/000", 0, 0, 256),
            ("0/999", 0, 999, 256),
            ("1/x001/x234/067", 1, 1_234_067, 256),
            ("2/x001/000.p/1", 2, 1_000, 1),
            ("7/000.p/255", 7, 0, 255),
        ] {
            let path: TilePath = name.parse().unwrap();
            assert_eq!(path, TilePath { tile: TileId { level, index }, width });
            assert_eq!(path.to_string(), name);
        }
        for bad in [
            "",
            "0",
            "0/",
            "0/0",
            "0/1000",
            "0/x000/001",
            "0/001/001",
            "8/000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "+0/000",
            "0/+00",
            "0/x001/x2/067",
            "0/000/",
            "../000",
            "0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert!(bad.parse::<TilePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tile_is_as_wide_as_the_tree_makes_it() {
        let tile = |level, index| TileId { level, index };
        assert_eq!([0, 1, 256, 300].map(|size| tile(0, 0).width(size)), [0, 1, 256, 256]);
        assert_eq!([256, 257, 512].map(|size| tile(0, 1).width(size)), [0, 1, 256]);
        assert_eq!([255, 256, 65_535, 65_536].map(|size| tile(1, 0).width(size)), [0, 1, 255, 256]);
        assert_eq!(tile(7, 0).width(u64::MAX), 255);
        assert_eq!(tile(9, 0).width(u64::MAX), 0);
    }
}
