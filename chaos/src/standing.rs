//! How far everybody is behind the log.

use std::time::Duration;

use eventstore::{stream::StreamClient, subscription::GenerationState};
use projections::weave::{authorship, hot_views::HotRedis};
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};

use crate::{site::Site, watch};

const LOOK: Duration = Duration::from_millis(50);
/// One question; a server that hangs must not keep us from looking again.
const ANSWER: Duration = Duration::from_secs(3);

pub struct Standing {
    owner: PgPool,
    stream: StreamClient,
    redis: HotRedis,
}

impl Standing {
    pub async fn new(site: &Site) -> anyhow::Result<Self> {
        Ok(Self { owner: site.owner(2)?, stream: site.stream().await?, redis: site.redis()? })
    }

    /// Waits until nobody is behind the head; how long that took, or who is behind.
    pub async fn until_lag_zero(&self, bound: Duration) -> Result<Duration, String> {
        let since = Instant::now();
        loop {
            let behind = match timeout(ANSWER, self.behind()).await {
                Ok(Ok(None)) => return Ok(since.elapsed()),
                Ok(Ok(Some(behind))) => behind,
                Ok(Err(error)) => error,
                Err(_) => "a server does not answer".to_owned(),
            };
            if since.elapsed() > bound {
                return Err(behind);
            }
            sleep(LOOK).await;
        }
    }

    /// Somebody who is behind.
    async fn behind(&self) -> Result<Option<String>, String> {
        let (head, mut points) = watch::points(&self.owner).await.map_err(|error| error.to_string())?;
        // Who is not live is fed without hurry, and a reactor writes its point down now and then
        // when there is nothing to do for it: what it owes is another check.
        let live = eventstore::subscription::checkpoints(&self.owner).await;
        let live = live.map_err(|error| error.to_string())?;
        let named = |name: &str| {
            live.iter().any(|one| {
                one.state == GenerationState::Live
                    && name == format!("{} generation {}", one.projection, one.generation)
            })
        };
        points.retain(|name, _| named(name) || name.starts_with("outbox"));
        let owed = authorship::reactions(&self.owner).await.map_err(|error| error.to_string())?.forgotten;
        if owed > 0 {
            return Ok(Some(format!("the reactor owes {owed} works")));
        }
        let stream = self.stream.state().await.map_err(|error| error.to_string())?;
        points.insert("stream".to_owned(), stream.last);
        let redis = self.redis.live().await.map_err(|error| error.to_string())?;
        points.insert("redis".to_owned(), redis.map_or(0, |at| at.position));
        let behind = points.into_iter().find(|(_, position)| *position < head);
        Ok(behind.map(|(name, position)| format!("{name} at {position} of {head}")))
    }
}
