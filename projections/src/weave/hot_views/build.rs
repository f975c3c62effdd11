use eventstore::log::{self, PageLimit, read_page};
use kernel::Position;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{Applied, HotError, HotRedis, Page, page, redis_store::Lease};

/// What a build came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    pub generation: i64,
    pub position: Position,
}

/// Makes the next generation from the log's beginning, beside the one that is shown, then shows
/// it and drops all others. `tell` hears position and head after every page.
///
/// # Errors
/// [`HotError::Busy`] when somebody else builds, [`HotError::Gone`] when Redis was emptied
/// meanwhile; the present generation is shown on after every error.
pub async fn build(
    redis: &HotRedis,
    log: &PgPool,
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<Built, HotError> {
    let lease = redis.lease_build().await?.ok_or(HotError::Busy)?;
    let filling = async {
        let present = redis.pointer().await?;
        let generation = redis.next_generation().await?;
        let filled = async {
            let position = fill(redis, log, generation, &lease, tell, stop).await?;
            if redis.swap(present, generation).await? { Ok(position) } else { Err(HotError::Gone) }
        }
        .await;
        match filled {
            Ok(position) => {
                redis.drop_others(generation).await?;
                Ok(Built { generation, position })
            }
            Err(error) => {
                // Nobody sees it; what stays behind the next build drops.
                let _ = redis.drop_one(generation).await;
                Err(error)
            }
        }
    }
    .await;
    lease.give_back().await;
    filling
}

async fn fill(
    redis: &HotRedis,
    log: &PgPool,
    generation: i64,
    lease: &Lease,
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<Position, HotError> {
    let mut at = 0;
    let mut head = log::head(log).await?;
    loop {
        if stop.is_cancelled() {
            return Err(HotError::Interrupted);
        }
        let events = read_page(log, at, PageLimit::REBUILD).await?;
        if events.is_empty() {
            return Ok(at);
        }
        for events in events.chunks(page::EVENTS) {
            let Some(page) = Page::fold(at, events) else { break };
            if redis.apply(generation, head.epoch, &page).await? != Applied::Moved || !lease.renew().await? {
                return Err(HotError::Gone);
            }
            at = page.to;
        }
        if at >= head.position {
            head = log::head(log).await?;
        }
        tell(at, head.position);
    }
}
