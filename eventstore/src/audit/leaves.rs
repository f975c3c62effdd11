use chrono::{DateTime, Utc};
use kernel::{AggregateRef, Name, Position, Version};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::tree::leaf_hash;
use crate::{
    StoreError,
    canonical::{AuditLeaf, Hash, audit_leaf, canonical_text, metadata_hash},
    epoch::EpochRow,
};

/// What of an event is in its leaf, as the log holds it now.
#[derive(Debug, Clone)]
pub struct LeafRow {
    pub position: Position,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub version: Version,
    pub event_type: String,
    pub schema_version: i32,
    pub recorded_at: DateTime<Utc>,
    pub payload_hash: Vec<u8>,
    pub metadata: String,
}

/// Computes leaves, one after the other. The events of one append share their metadata.
#[derive(Debug)]
pub struct Leaves {
    epochs: Vec<(Position, i32)>,
    last: Option<(String, Hash)>,
}

impl Leaves {
    #[must_use]
    pub fn new(epochs: &[EpochRow]) -> Self {
        let mut epochs: Vec<_> = epochs.iter().map(|row| (row.first_position, row.epoch)).collect();
        epochs.sort_unstable();
        Self { epochs, last: None }
    }

    /// The epoch a position belongs to: the last one that had begun there.
    #[must_use]
    pub fn epoch_of(&self, position: Position) -> i32 {
        let begun = self.epochs.partition_point(|(first, _)| *first <= position);
        begun.checked_sub(1).and_then(|at| self.epochs.get(at)).map_or(0, |(_, epoch)| *epoch)
    }

    /// The leaf's bytes; what is not the form of an event is named.
    ///
    /// # Errors
    /// A name, a hash or the metadata has a form that no append writes.
    pub fn bytes(&mut self, row: &LeafRow) -> Result<Vec<u8>, &'static str> {
        let name = |text: &str| Name::parse(text.to_owned()).map_err(|_| "a name that is none");
        let aggregate = AggregateRef::new(name(&row.aggregate_type)?, row.aggregate_id);
        let payload_hash =
            row.payload_hash[..].try_into().map_err(|_| "a payload hash that is no SHA-256")?;
        Ok(audit_leaf(&AuditLeaf {
            position: row.position,
            epoch: self.epoch_of(row.position).into(),
            event_id: row.event_id,
            aggregate: &aggregate,
            version: row.version,
            event_type: &name(&row.event_type)?,
            schema_version: row.schema_version,
            recorded_at_micros: row.recorded_at.timestamp_micros(),
            payload_hash,
            metadata_hash: self.metadata_hash(&row.metadata)?,
        }))
    }

    /// The hash of the leaf.
    ///
    /// # Errors
    /// As for [`Leaves::bytes`].
    pub fn hash(&mut self, row: &LeafRow) -> Result<Hash, &'static str> {
        self.bytes(row).map(|bytes| leaf_hash(&bytes))
    }

    fn metadata_hash(&mut self, text: &str) -> Result<Hash, &'static str> {
        if let Some((known, hash)) = &self.last
            && known == text
        {
            return Ok(*hash);
        }
        let hash = metadata_hash(&canonical_text(text).map_err(|_| "metadata without canonical form")?);
        self.last = Some((text.to_owned(), hash));
        Ok(hash)
    }
}

/// The leaves' contents after one position and up to another, in order; holes are the caller's
/// to find.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn leaf_rows(
    db: impl PgExecutor<'_>,
    after: Position,
    upto: Position,
) -> Result<Vec<LeafRow>, StoreError> {
    Ok(sqlx::query_as!(
        LeafRow,
        r#"select position, event_id, aggregate_type, aggregate_id, version, type as event_type,
                  schema_version, recorded_at, payload_hash, metadata::text as "metadata!"
           from events where position > $1 and position <= $2 order by position"#,
        after,
        upto
    )
    .fetch_all(db)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_belongs_to_the_last_epoch_that_had_begun() {
        let row = |epoch, first_position| EpochRow {
            epoch,
            first_position,
            started_at: DateTime::UNIX_EPOCH,
            reason: String::new(),
        };
        let leaves = Leaves::new(&[row(1, 1), row(2, 11), row(3, 11), row(4, 20)]);
        assert_eq!([0, 1, 10, 11, 19, 20, 99].map(|at| leaves.epoch_of(at)), [0, 1, 1, 3, 3, 4, 4]);
    }
}
