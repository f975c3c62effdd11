use std::sync::Arc;

use chrono::{DateTime, Utc};
use commands::{
    Executor,
    reactor::{Reactor, ReactorError, Work},
};
use domain::{
    platform::person::{Contents, ForgetRequested, HoldPlaced, HoldReleased, forget_request_id},
    weave::account::AccountLeft,
};
use eventstore::{StoreError, keys::KeyStore};
use kernel::{Class, RecordedEvent};
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

/// Turns what the log says into work: requests to forget into rows, holds into states of keys.
/// Whoever leaves is forgotten, what they said is kept.
pub struct Requests {
    pub pool: PgPool,
    pub keys: Arc<dyn KeyStore>,
}

#[derive(Deserialize)]
struct Asked {
    account_id: Uuid,
    content: Contents,
}

#[derive(Deserialize)]
struct OfAccount {
    account_id: Uuid,
}

impl Reactor for Requests {
    const NAME: &'static str = "forget-requests";
    const EVENT_TYPES: &'static [&'static str] =
        &[ForgetRequested::TYPE, HoldPlaced::TYPE, HoldReleased::TYPE, AccountLeft::TYPE];

    async fn step(&self, _: &Executor, event: &RecordedEvent, _: &str) -> Result<Work, ReactorError> {
        let unreadable = |error: kernel::Undecodable| ReactorError::Other(error.to_string());
        let at = event.metadata().map_err(unreadable)?.occurred_at;
        match event.event_type.as_str() {
            ForgetRequested::TYPE => {
                let Asked { account_id, content } = event.decode().map_err(unreadable)?;
                add(&self.pool, account_id, content, at).await?;
            }
            AccountLeft::TYPE => {
                // Whose leaving is a step of a request already has one.
                let known = sqlx::query_scalar!(
                    r#"select exists (select from forget_requests where account = $1) as "known!""#,
                    event.aggregate_id
                )
                .fetch_one(&self.pool)
                .await
                .map_err(StoreError::from)?;
                if !known {
                    add(&self.pool, event.aggregate_id, Contents::Keep, at).await?;
                }
            }
            hold => {
                let OfAccount { account_id } = event.decode().map_err(unreadable)?;
                let placed = hold == HoldPlaced::TYPE;
                let held = self.keys.hold(account_id, &Class::ALL, placed).await;
                held.map_err(|error| ReactorError::Other(error.to_string()))?;
            }
        }
        Ok(Work::default())
    }
}

/// Makes a request known that stands in the log, without waiting for the reactor. Gives the
/// request that answers the wish: one for more, where that is the only one there is.
///
/// # Errors
/// [`StoreError`]; then the reactor does it.
pub async fn note_request(
    pool: &PgPool,
    account: Uuid,
    content: Contents,
    at: DateTime<Utc>,
) -> Result<Option<Uuid>, StoreError> {
    let more = sqlx::query_scalar!(
        "select request from forget_requests where account = $1 and content = 'erase'",
        account
    )
    .fetch_optional(pool)
    .await?;
    if content == Contents::Keep && more.is_some() {
        return Ok(more);
    }
    add(pool, account, content, at).await?;
    Ok(None)
}

/// Somebody waits for a request that was held or failing: what was said of it is looked at anew.
///
/// # Errors
/// [`StoreError`]
pub async fn look_again(pool: &PgPool, request: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "update forget_requests set state = 'running', problem = null
         where request = $1 and state in ('held', 'failing')",
        request
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Whether it was not there yet.
pub(crate) async fn add(
    pool: &PgPool,
    account: Uuid,
    content: Contents,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let added = sqlx::query!(
        "insert into forget_requests (request, account, content, requested_at)
         values ($1, $2, $3, $4) on conflict do nothing",
        forget_request_id(account, content),
        account,
        content.as_str(),
        at
    )
    .execute(pool)
    .await?;
    Ok(added.rows_affected() > 0)
}
