use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use crate::StoreError;

/// Longest reason, longest filter; what is longer is cut.
const LONGEST: usize = 500;

/// Somebody reads what is not everybody's. Ids, names and positions only, never a value.
#[derive(Debug, Clone)]
pub struct Access<'a> {
    /// The account of the token, or `operator:` and a login name.
    pub who: &'a str,
    /// `audit.events`, `account.contact` …
    pub action: &'static str,
    /// The person it is about; `None` where it is the log.
    pub subject: Option<Uuid>,
    pub what: &'a str,
    /// In the reader's words; may be empty.
    pub why: &'a str,
}

/// Writes it down, before the answer: what cannot be written down is not answered. Returns its
/// number.
///
/// # Errors
/// [`StoreError`] when the database cannot be written to.
pub async fn record_access(pool: &PgPool, access: &Access<'_>) -> Result<i64, StoreError> {
    let number = sqlx::query_scalar!(
        r#"select record_access($1, $2, $3, $4, $5) as "number!""#,
        access.who,
        access.action,
        access.subject,
        cut(access.what),
        cut(access.why)
    )
    .fetch_one(pool)
    .await?;
    Ok(number)
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    pub number: i64,
    pub at: DateTime<Utc>,
    pub who: String,
    pub action: String,
    pub subject: Option<Uuid>,
    pub what: String,
    pub why: String,
    pub hash: Vec<u8>,
}

/// Entries after a number, in order; those about one person when one is given.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn access_entries(
    db: impl PgExecutor<'_>,
    subject: Option<Uuid>,
    after: i64,
    limit: i64,
) -> Result<Vec<AccessEntry>, StoreError> {
    Ok(sqlx::query_as!(
        AccessEntry,
        "select number, at, who, action, subject, what, why, hash from access_log
         where number > $1 and ($2::uuid is null or subject = $2) order by number limit $3",
        after,
        subject,
        limit
    )
    .fetch_all(db)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(cut("kurz"), "kurz");
        assert_eq!(cut(&"ä".repeat(600)), "ä".repeat(500));
    }
}
