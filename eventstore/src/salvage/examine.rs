use std::collections::HashMap;

use kernel::{Position, Version};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Content, SalvageError, Surplus, Unusable, Way, tail::Tail};
use crate::{StoreError, stream::StreamClient};

/// What a surplus is worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Examined {
    /// Whole events among the messages.
    pub events: i64,
    /// The last position that can be put back; none when not even the first one can.
    pub back_to: Option<Position>,
    /// What stands in the way behind it.
    pub obstacle: Option<(Position, Unusable)>,
    /// Events that get a new salt, and with it another hash, because their message has none.
    pub without_salt: i64,
}

impl Examined {
    fn whole_appends(mut self, surplus: &Surplus) -> Self {
        let rest = self.back_to.map_or(surplus.from, |back_to| back_to + 1);
        if surplus.way == Way::Back && rest <= surplus.to {
            self.obstacle.get_or_insert((rest, Unusable::Torn));
        }
        self
    }
}

/// Reads the surplus through. Nothing is changed. `progress` gets (read, of).
///
/// # Errors
/// [`SalvageError::DoesNotFollow`] when an event is not the next one of its aggregate: then nothing
/// may go back.
pub async fn examine(
    pool: &PgPool,
    client: &StreamClient,
    surplus: &Surplus,
    progress: &(dyn Fn(i64, i64) + Sync),
    stop: &CancellationToken,
) -> Result<Examined, SalvageError> {
    let mut tail = Tail::open(client, surplus).await?;
    let mut found = Examined::default();
    let mut versions: HashMap<Uuid, Version> = HashMap::new();
    loop {
        let page = tail.page().await?;
        if page.is_empty() {
            return Ok(found.whole_appends(surplus));
        }
        if surplus.way == Way::Back && found.obstacle.is_none() {
            let ids = page.iter().filter_map(|message| match &message.content {
                Content::Event(found) => Some(found.event.aggregate_id),
                Content::Unusable(_) => None,
            });
            let unknown: Vec<Uuid> = ids.filter(|id| !versions.contains_key(id)).collect();
            versions.extend(stored_versions(pool, &unknown).await?);
        }
        for message in page {
            match message.content {
                Content::Event(one) => {
                    found.events += 1;
                    if found.obstacle.is_some() || surplus.way != Way::Back {
                        continue;
                    }
                    let version = versions.entry(one.event.aggregate_id).or_default();
                    if one.event.version != *version + 1 {
                        let (position, found) = (message.sequence, *version);
                        return Err(SalvageError::DoesNotFollow { position, found });
                    }
                    *version = one.event.version;
                    found.without_salt += i64::from(one.salt.is_none() && one.payload_hash.is_none());
                    // An append goes back whole or not at all.
                    if !one.continues {
                        found.back_to = Some(message.sequence);
                    }
                }
                Content::Unusable(why) => _ = found.obstacle.get_or_insert((message.sequence, why)),
            }
            if stop.is_cancelled() {
                return Err(SalvageError::Interrupted);
            }
        }
        progress(found.events, surplus.count());
    }
}

async fn stored_versions(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<(Uuid, Version)>, StoreError> {
    let rows = sqlx::query!("select aggregate_id, version from streams where aggregate_id = any ($1)", ids)
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| (row.aggregate_id, row.version)).collect())
}
