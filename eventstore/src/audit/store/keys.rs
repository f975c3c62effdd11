use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::audit::{AuditError, note::PublicKey};

/// A key, and when it signs.
#[derive(Debug, Clone)]
pub struct KeyRow {
    pub key: PublicKey,
    pub announced_at: DateTime<Utc>,
    pub signs_from: DateTime<Utc>,
    pub signs_until: Option<DateTime<Utc>>,
    /// By the database's clock.
    pub signs_now: bool,
}

/// What the checkpoints of this log are signed as.
///
/// # Errors
/// [`AuditError`] when the database cannot be asked.
pub async fn origin(db: impl PgExecutor<'_>) -> Result<String, AuditError> {
    Ok(sqlx::query_scalar!("select origin from audit_origin").fetch_one(db).await?)
}

/// Every key there was, the oldest first.
///
/// # Errors
/// [`AuditError`], also when a row holds no key.
pub async fn audit_keys(db: impl PgExecutor<'_>) -> Result<Vec<KeyRow>, AuditError> {
    let rows = sqlx::query!(
        r#"select o.origin, k.key_id, k.public_key, k.announced_at, k.signs_from, k.signs_until,
                  (k.signs_from <= clock_timestamp()
                   and (k.signs_until is null or k.signs_until > clock_timestamp())) as "signs_now!"
           from audit_keys k, audit_origin o order by k.announced_at, k.key_id"#
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let key = PublicKey::new(&row.origin, &row.public_key)?;
            if key.id().to_string() != row.key_id {
                return Err(AuditError::Damaged(format!("the key {} has another id", row.key_id)));
            }
            Ok(KeyRow {
                key,
                announced_at: row.announced_at,
                signs_from: row.signs_from,
                signs_until: row.signs_until,
                signs_now: row.signs_now,
            })
        })
        .collect()
}
