use chrono::{DateTime, Utc};

use super::{
    keys::Keys,
    tip::{FullTile, Tip},
};
use crate::{
    LogPool,
    audit::{
        AuditError,
        note::{AccessMark, Checkpoint, Fork, SignedNote},
    },
    canonical::Hash,
};

/// What the next seal says besides the tree.
pub(super) struct Saying {
    pub origin: String,
    pub epoch: i32,
    pub now: DateTime<Utc>,
    pub access: Option<AccessMark>,
    pub fork: Option<Fork>,
}

/// Signs the tree as it stands in `tip` and commits seal and tiles together. `None`: another
/// sealer was faster, or the epoch has moved on; nothing was written.
pub(super) async fn commit(
    log: &LogPool,
    keys: &Keys,
    tip: &Tip,
    new: usize,
    full: &[FullTile],
    saying: Saying,
) -> Result<Option<SignedNote>, AuditError> {
    let root = tip.tree.root();
    let checkpoint = Checkpoint {
        origin: saying.origin,
        size: tip.tree.size(),
        root,
        epoch: saying.epoch,
        sealed_at: saying.now,
        access: saying.access,
        fork: saying.fork,
    };
    let mut note = SignedNote::unsigned(checkpoint.to_string());
    keys.signers.iter().for_each(|signer| signer.sign(&mut note));
    let flat = |hashes: &[Hash]| hashes.concat();

    let mut transaction = log.pg().begin().await?;
    let inserted = sqlx::query!(
        "insert into seals (number, epoch, size, root, leaves, note, sealed_at)
         select $1, $2, $3, $4, $5, $6, $7 from log_head h
         where h.epoch = $8 and $1 = 1 + coalesce((select max(s.number) from seals s), 0)",
        tip.number + 1,
        saying.epoch,
        tip.size(),
        root.as_slice(),
        flat(tip.new_in_last_tile(new)),
        note.to_string(),
        saying.now,
        log.epoch()
    )
    .execute(&mut *transaction)
    .await;
    match inserted {
        Ok(done) if done.rows_affected() == 1 => {}
        Ok(_) => return Ok(None),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    if !full.is_empty() {
        let tiles = sqlx::query!(
            "insert into audit_tiles (level, index, hashes, root)
             select * from unnest($1::integer[], $2::bigint[], $3::bytea[], $4::bytea[])",
            &full.iter().map(|full| full.tile.level.cast_signed()).collect::<Vec<_>>(),
            &full.iter().map(|full| full.tile.index.cast_signed()).collect::<Vec<_>>(),
            &full.iter().map(|full| flat(&full.hashes)).collect::<Vec<_>>(),
            &full.iter().map(|full| full.root.to_vec()).collect::<Vec<_>>()
        )
        .execute(&mut *transaction)
        .await;
        match tiles {
            Ok(_) => {}
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                // The seal's number was free, so no other sealer has written it.
                return Err(AuditError::Damaged("a tile beyond the last seal is there already".to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    kernel::crash_point!("audit.before-commit");
    transaction.commit().await?;
    kernel::crash_point!("audit.before-file");
    Ok(Some(note))
}
