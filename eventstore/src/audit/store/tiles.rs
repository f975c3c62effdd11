use std::ops::Range;

use sqlx::{PgConnection, PgExecutor};

use crate::{
    audit::{
        AuditError,
        tree::{TILE, TileId, Tiles, root_of_range},
    },
    canonical::Hash,
};

/// The first `width` hashes of a tile. Full ones are stored; of others, level 0 stands in the
/// seals, and every higher level in the roots of the tiles below.
///
/// # Errors
/// [`AuditError::Damaged`] when it is not stored as far as that.
pub async fn load_tile(
    connection: &mut PgConnection,
    tile: TileId,
    width: u64,
) -> Result<Vec<Hash>, AuditError> {
    let damaged = || AuditError::Damaged(format!("tile {}/{} is not whole", tile.level, tile.index));
    let (level, index) = stored(tile).ok_or_else(damaged)?;
    let full =
        sqlx::query_scalar!("select hashes from audit_tiles where level = $1 and index = $2", level, index)
            .fetch_optional(&mut *connection)
            .await?;
    let bytes = match full {
        Some(hashes) => hashes,
        None if level == 0 => of_seals(connection, index).await?,
        None => of_tiles_below(connection, level - 1, index).await?,
    };
    let mut hashes: Vec<Hash> = bytes.as_chunks::<32>().0.to_vec();
    let wanted = usize::try_from(width).unwrap_or(usize::MAX);
    if hashes.len() < wanted || bytes.len() % 32 != 0 {
        return Err(damaged());
    }
    hashes.truncate(wanted);
    Ok(hashes)
}

fn stored(tile: TileId) -> Option<(i32, i64)> {
    let index = i64::try_from(tile.index).ok()?;
    // The last position of the tile must be one.
    index.checked_add(1)?.checked_mul(TILE as i64)?;
    Some((i32::try_from(tile.level).ok()?, index))
}

/// What the seals added to the unfinished tile.
async fn of_seals(db: impl PgExecutor<'_>, index: i64) -> Result<Vec<u8>, AuditError> {
    let begins = index * TILE as i64;
    let pieces = sqlx::query_scalar!(
        "select leaves from seals where size > $1 and size < $2 order by number",
        begins,
        begins + TILE as i64
    )
    .fetch_all(db)
    .await?;
    Ok(pieces.concat())
}

async fn of_tiles_below(db: impl PgExecutor<'_>, level: i32, index: i64) -> Result<Vec<u8>, AuditError> {
    let begins = index * TILE as i64;
    let rows = sqlx::query!(
        "select index, root from audit_tiles where level = $1 and index >= $2 and index < $3 order by index",
        level,
        begins,
        begins + TILE as i64
    )
    .fetch_all(db)
    .await?;
    let without_gap = rows.iter().zip(begins..).take_while(|(row, at)| row.index == *at);
    Ok(without_gap.flat_map(|(row, _)| row.root.clone()).collect())
}

/// The roots over ranges of leaves, in a tree of `size` leaves.
///
/// # Errors
/// [`AuditError::Damaged`] when tiles for it are not stored.
pub async fn roots(
    connection: &mut PgConnection,
    size: u64,
    ranges: &[Range<u64>],
) -> Result<Vec<Hash>, AuditError> {
    let mut tiles = Tiles::default();
    for tile in ranges.iter().flat_map(|range| Tiles::needed(range.clone())) {
        if !tiles.has(tile) {
            tiles.insert(tile, load_tile(connection, tile, tile.width(size)).await?);
        }
    }
    ranges
        .iter()
        .map(|range| {
            root_of_range(&tiles, range.clone())
                .ok_or_else(|| AuditError::Damaged(format!("no hashes for {range:?}")))
        })
        .collect()
}
