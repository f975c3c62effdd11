use kernel::Position;
use sqlx::PgConnection;

use crate::{
    audit::{
        AuditError,
        store::load_tile,
        tree::{TILE, TileId},
    },
    canonical::Hash,
};

/// The leaves of the stored tree for positions `after + 1 ..= upto`; `None` where a hash is missing.
pub(super) async fn stored_leaves(
    connection: &mut PgConnection,
    after: Position,
    upto: Position,
    sealed: Position,
) -> Result<Vec<Option<Hash>>, AuditError> {
    let upto = upto.min(sealed);
    if upto <= after {
        return Ok(Vec::new());
    }
    let tile = TILE as i64;
    let (first, last) = (after / tile, (upto - 1) / tile);
    let mut found: Vec<Option<Hash>> = vec![None; usize::try_from(upto - after).unwrap_or_default()];
    let full = sqlx::query!(
        "select index, hashes from audit_tiles where level = 0 and index between $1 and $2",
        first,
        last
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut put = |index: i64, hashes: &[Hash]| {
        for (offset, hash) in (0..).zip(hashes) {
            let at = index * tile + offset - after;
            if let Some(place) = usize::try_from(at).ok().and_then(|at| found.get_mut(at)) {
                *place = Some(*hash);
            }
        }
    };
    for row in &full {
        put(row.index, row.hashes.as_chunks::<32>().0);
    }
    // The last tile may be unfinished, then its leaves are in the seals.
    let unfinished = TileId { level: 0, index: (sealed / tile).cast_unsigned() };
    let width = unfinished.width(sealed.cast_unsigned());
    if last == sealed / tile && width > 0 {
        match load_tile(connection, unfinished, width).await {
            Ok(hashes) => put(last, &hashes),
            // Told as missing leaves.
            Err(AuditError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
