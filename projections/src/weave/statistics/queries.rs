use chrono::{DateTime, Days, NaiveDate, Utc};
use kernel::Position;
use serde::Serialize;
use sqlx::PgPool;

use crate::ReadError;

/// Days of the window, today included.
const WINDOW: u64 = 30;

/// Answer of `GET /v1/stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub nodes: i64,
    /// Registered and not left.
    pub accounts: i64,
    /// Posted and not taken back.
    pub messages: i64,
    pub active: ActiveAccounts,
    pub position: Position,
    #[serde(skip)]
    pub epoch: i32,
    /// For which day `active` speaks.
    #[serde(skip)]
    pub today: NaiveDate,
}

/// Accounts that acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ActiveAccounts {
    /// On the present UTC day.
    pub day: i64,
    /// On it and the 29 before.
    pub last_30_days: i64,
}

/// The numbers as of `now`.
///
/// # Errors
/// [`ReadError`] when the database cannot be asked or the read model was never built.
pub async fn totals(pool: &PgPool, now: DateTime<Utc>) -> Result<Totals, ReadError> {
    let today = now.date_naive();
    let first = today.checked_sub_days(Days::new(WINDOW - 1)).unwrap_or(today);
    let row = sqlx::query_file!("src/weave/statistics/sql/totals.sql", today, first)
        .fetch_optional(pool)
        .await?
        .ok_or(ReadError::NotBuilt("statistics"))?;
    Ok(Totals {
        nodes: row.nodes,
        accounts: row.accounts,
        messages: row.messages,
        active: ActiveAccounts { day: row.today, last_30_days: row.window },
        position: row.position,
        epoch: row.epoch,
        today,
    })
}
