use kernel::Position;
use sqlx::PgConnection;

use crate::{
    audit::{
        AuditError,
        note::{AccessMark, Checkpoint, SignedNote},
        store::{last_seal, load_tile, roots},
        tree::{Frontier, TILE, TileId, parts},
    },
    canonical::Hash,
};

/// Where the tree stands: the last seal, and what the next tiles are made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Tip {
    /// 0: nothing was sealed yet.
    pub number: i64,
    pub epoch: i32,
    pub tree: Frontier,
    pub access: Option<AccessMark>,
    /// Hashes of the unfinished tile of each level.
    pending: Vec<Vec<Hash>>,
}

/// A tile that got its last hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FullTile {
    pub tile: TileId,
    pub hashes: Vec<Hash>,
    pub root: Hash,
}

impl Tip {
    /// Reads it and shows that the stored hashes lead to the last seal's root.
    pub async fn load(connection: &mut PgConnection) -> Result<Self, AuditError> {
        let Some(seal) = last_seal(&mut *connection).await? else { return Ok(Self::default()) };
        let size = seal.size.cast_unsigned();
        let damaged = |what: &str| AuditError::Damaged(format!("seal {}: {what}", seal.number));
        let ranges: Vec<_> = parts(0..size)
            .into_iter()
            .map(|node| node.index << node.height..(node.index + 1) << node.height)
            .collect();
        let tree = Frontier::of(size, roots(connection, size, &ranges).await?);
        if tree.root() != seal.root {
            return Err(damaged("the stored hashes do not lead to its root"));
        }
        let note: SignedNote = seal.note.parse().map_err(|_| damaged("its note is none"))?;
        let checkpoint: Checkpoint = note.text().parse().map_err(|_| damaged("its note is no checkpoint"))?;
        if (checkpoint.size, checkpoint.root, checkpoint.epoch) != (size, seal.root, seal.epoch) {
            return Err(damaged("its note says something else"));
        }
        let mut pending = Vec::new();
        for level in 0.. {
            let hashes = if level < 8 { size >> (level * 8) } else { 0 };
            if hashes == 0 {
                break;
            }
            let tile = TileId { level, index: hashes / TILE };
            pending.push(match hashes % TILE {
                0 => Vec::new(),
                width => load_tile(connection, tile, width).await?,
            });
        }
        Ok(Self { number: seal.number, epoch: seal.epoch, tree, access: checkpoint.access, pending })
    }

    pub fn size(&self) -> Position {
        self.tree.size().cast_signed()
    }

    /// Adds leaves; returns the tiles that became full.
    pub fn extend(&mut self, leaves: &[Hash]) -> Vec<FullTile> {
        let mut full = Vec::new();
        for leaf in leaves {
            self.tree.push(*leaf);
            self.put(0, *leaf, &mut full);
        }
        full
    }

    fn put(&mut self, level: u32, hash: Hash, full: &mut Vec<FullTile>) {
        let at = level as usize;
        if self.pending.len() <= at {
            self.pending.push(Vec::new());
        }
        self.pending[at].push(hash);
        if self.pending[at].len() as u64 == TILE {
            let hashes = std::mem::take(&mut self.pending[at]);
            let mut whole = Frontier::default();
            hashes.iter().for_each(|hash| whole.push(*hash));
            let root = whole.root();
            let index = (self.tree.size() >> (8 * (level + 1))) - 1;
            full.push(FullTile { tile: TileId { level, index }, hashes, root });
            self.put(level + 1, root, full);
        }
    }

    /// The hashes in the unfinished tile that came with the last `new` leaves.
    pub fn new_in_last_tile(&self, new: usize) -> &[Hash] {
        let last = self.pending.first().map_or(&[][..], Vec::as_slice);
        &last[last.len().saturating_sub(new)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tree::leaf_hash;

    #[test]
    fn tiles_become_full_in_their_turn() {
        let leaves: Vec<Hash> = (0..66_000_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let (mut tip, mut tiles) = (Tip::default(), vec![]);
        for batch in leaves.chunks(777) {
            let before = tip.size();
            tiles.extend(tip.extend(batch));
            let tail = tip.new_in_last_tile(batch.len());
            let begins = (tip.size() / 256 * 256).max(before) as usize;
            assert_eq!(tail, &leaves[begins..tip.size() as usize]);
        }
        let of_level = |level| tiles.iter().filter(|full| full.tile.level == level).collect::<Vec<_>>();
        assert_eq!((of_level(0).len(), of_level(1).len(), of_level(2).len()), (257, 1, 0));
        for (index, full) in of_level(0).into_iter().enumerate() {
            assert_eq!(full.tile.index, index as u64);
            assert_eq!(full.hashes, leaves[index * 256..(index + 1) * 256]);
        }
        let roots: Vec<Hash> = of_level(0).iter().take(256).map(|full| full.root).collect();
        assert_eq!((of_level(1)[0].tile.index, &of_level(1)[0].hashes), (0, &roots));
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        assert_eq!(tip.tree, tree);
    }
}
