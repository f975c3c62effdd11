use kernel::{Name, Version};
use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::StoreError;

/// An aggregate's state at a version, personal fields in their envelopes. A cache: may be
/// missing, old or deleted at any time.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub version: Version,
    pub state: Value,
}

/// The snapshot of one aggregate, if there is one of this schema.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn load_snapshot(
    db: impl PgExecutor<'_>,
    aggregate_id: Uuid,
    schema_version: i32,
) -> Result<Option<Snapshot>, StoreError> {
    Ok(sqlx::query_as!(
        Snapshot,
        "select version, state from snapshots where aggregate_id = $1 and schema_version = $2",
        aggregate_id,
        schema_version
    )
    .fetch_optional(db)
    .await?)
}

/// Keeps a snapshot unless a newer one is there.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn save_snapshot(
    db: impl PgExecutor<'_>,
    aggregate_type: &Name,
    aggregate_id: Uuid,
    schema_version: i32,
    snapshot: &Snapshot,
) -> Result<(), StoreError> {
    sqlx::query_file!(
        "src/log/sql/save_snapshot.sql",
        aggregate_id,
        aggregate_type.as_str(),
        snapshot.version,
        schema_version,
        snapshot.state,
    )
    .execute(db)
    .await?;
    Ok(())
}
