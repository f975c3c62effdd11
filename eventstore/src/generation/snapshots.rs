use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::GenerationError;

/// A moment: snapshots taken later see everything committed before it.
pub(super) struct Mark {
    transaction_id: String,
    at: DateTime<Utc>,
}

/// Somebody who may not see it.
pub(super) struct OldReader {
    pub pid: i32,
    pub seconds: f64,
}

pub(super) async fn mark(owner: &PgPool) -> Result<Mark, GenerationError> {
    let row = sqlx::query!(
        r#"select pg_current_xact_id()::xid::text as "id!", clock_timestamp() as "at!",
                  pg_has_role('pg_read_all_stats', 'usage') as "sees!""#
    )
    .fetch_one(owner)
    .await?;
    if !row.sees {
        return Err(GenerationError::BlindToSnapshots);
    }
    Ok(Mark { transaction_id: row.id, at: row.at })
}

/// The longest running transaction of this database that holds a snapshot from before the mark.
pub(super) async fn older(owner: &PgPool, mark: &Mark) -> Result<Option<OldReader>, GenerationError> {
    let row = sqlx::query!(
        r#"select pid as "pid!", extract(epoch from clock_timestamp() - xact_start)::float8 as "seconds!"
           from pg_stat_activity
           where datname = current_database() and backend_type = 'client backend'
             and pid <> pg_backend_pid()
             and xact_start < $2 and age(backend_xmin) >= age($1::text::xid)
           order by xact_start limit 1"#,
        mark.transaction_id,
        mark.at
    )
    .fetch_optional(owner)
    .await?;
    Ok(row.map(|row| OldReader { pid: row.pid, seconds: row.seconds }))
}
