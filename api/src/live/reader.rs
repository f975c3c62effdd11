use std::{collections::HashMap, sync::Arc, time::Duration};

use eventstore::{
    LogPool, log,
    subscription::{Following, OpenTail},
};
use kernel::{Position, RecordedEvent};
use projections::{ReadError, live::Whereabouts};
use tokio::{sync::watch, time::sleep};

use super::{Live, listening::latest, view};

/// How long it waits for news before it asks Postgres.
const PATIENCE: Duration = Duration::from_millis(250);
/// After a failure.
const AGAIN: Duration = Duration::from_millis(500);
/// Events told of together.
const TOGETHER: usize = 500;
/// An event that is older was held up somewhere: what it says may have changed since.
const FRESH: chrono::TimeDelta = chrono::TimeDelta::seconds(5);

/// Follows the log for all listeners of this process, until it is stopped.
pub async fn follow(
    live: Arc<Live>,
    log: LogPool,
    committed: Option<watch::Receiver<Position>>,
    tail: Option<OpenTail>,
) {
    let stop = live.stop.clone();
    let following = async {
        let start = head(&log).await;
        live.registry.skip_to(start);
        let mut reader = Reader { whereabouts: live.whereabouts(), live };
        let mut log = Following::new(log, committed, tail, start);
        loop {
            match log.next(PATIENCE).await {
                Ok(page) => {
                    for part in page.chunks(TOGETHER) {
                        reader.tell(part).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "listeners are not told of events for now");
                    sleep(AGAIN).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = following => {}
    }
}

/// Where the log ends, as soon as it can be asked.
async fn head(log: &LogPool) -> Position {
    loop {
        match log::head(log.pg()).await {
            Ok(head) => return head.position,
            Err(error) => {
                tracing::warn!(%error, "the log's end cannot be read");
                sleep(AGAIN).await;
            }
        }
    }
}

struct Reader {
    live: Arc<Live>,
    whereabouts: Whereabouts,
}

impl Reader {
    /// Tells everybody of a part of the log; again and again until it could.
    async fn tell(&mut self, page: &[RecordedEvent]) {
        let Some(last) = page.last().map(|event| event.position) else { return };
        if self.live.registry.skip_to(last) {
            self.whereabouts.forget();
            return;
        }
        while let Err(error) = self.try_tell(page, last).await {
            tracing::warn!(%error, "listeners are not told of events for now");
            self.whereabouts.forget();
            sleep(AGAIN).await;
        }
    }

    async fn try_tell(&mut self, page: &[RecordedEvent], last: Position) -> Result<(), ReadError> {
        let oldest = page.iter().map(|event| event.recorded_at).min();
        let old = oldest.is_some_and(|oldest| chrono::Utc::now() - oldest > FRESH);
        let latest = if old { latest(&self.live, page).await? } else { HashMap::new() };
        let about = self.whereabouts.of(page).await?;
        let events = view::render(page, &about, &latest, &self.live.sealer).await?;
        self.live.registry.publish(&events, last);
        Ok(())
    }
}
