use kernel::{Position, Version};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{StoreError, append::StoredReceipt};

/// One event as a command's answer names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredEvent {
    pub event_id: Uuid,
    pub event_type: String,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub version: Version,
    pub position: Position,
}

/// Rebuilds the events of an answered request from its receipt: they are contiguous from the
/// first version it wrote to the aggregate it was addressed to.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn answered_events(
    db: impl PgExecutor<'_>,
    receipt: &StoredReceipt,
) -> Result<Vec<AnsweredEvent>, StoreError> {
    Ok(sqlx::query_file_as!(
        AnsweredEvent,
        "src/log/sql/answered_events.sql",
        receipt.aggregate_id,
        receipt.first_version,
        i64::from(receipt.event_count),
    )
    .fetch_all(db)
    .await?)
}

/// What is known of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptLook {
    Unknown,
    /// Used for this very request.
    Replayed(StoredReceipt),
    /// Used for another one.
    KeyReused,
}

/// Looks an idempotency key up.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn find_receipt(
    db: impl PgExecutor<'_>,
    key_hash: &[u8; 32],
    fingerprint: &[u8; 32],
) -> Result<ReceiptLook, StoreError> {
    let row = sqlx::query!(
        "select fingerprint, aggregate_id, first_version, event_count, position
         from command_receipts where key_hash = $1",
        &key_hash[..]
    )
    .fetch_optional(db)
    .await?;
    Ok(match row {
        None => ReceiptLook::Unknown,
        Some(row) if row.fingerprint != fingerprint => ReceiptLook::KeyReused,
        Some(row) => ReceiptLook::Replayed(StoredReceipt {
            aggregate_id: row.aggregate_id,
            first_version: row.first_version,
            event_count: row.event_count,
            position: row.position,
        }),
    })
}
