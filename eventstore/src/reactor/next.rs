use kernel::{Position, RecordedEvent};
use sqlx::PgPool;

use crate::{
    StoreError,
    log::{PageLimit, read_page},
};

/// Positions looked through at once.
const RANGE: i64 = 20_000;

/// What comes next for a reactor.
#[derive(Debug)]
pub enum Next {
    Event(Box<RecordedEvent>),
    /// Nothing for it up to this position; there may be more behind.
    Nothing {
        up_to: Position,
        head: Position,
    },
}

/// The first event of one of these types after a position.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn next_event(pool: &PgPool, after: Position, types: &[&str]) -> Result<Next, StoreError> {
    let row = sqlx::query_file!("src/reactor/sql/next_position.sql", after, types as _, RANGE)
        .fetch_one(pool)
        .await?;
    let Some(found) = row.found else {
        return Ok(Next::Nothing { up_to: row.head.min(after + RANGE).max(after), head: row.head });
    };
    let limit = PageLimit { events: 1, ..PageLimit::TAIL };
    match read_page(pool, found - 1, limit).await?.pop() {
        Some(event) => Ok(Next::Event(Box::new(event))),
        None => Err(StoreError::Internal(format!("the event at position {found} vanished"))),
    }
}
