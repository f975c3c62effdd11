use std::time::Duration;

use eventstore::{log, subscription::Reads};
use kernel::Position;
use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ALWAYS, Cache};
use crate::ReadError;

/// How often the log is looked at. Too low: questions for nothing; too high: answers are served for
/// as long after an event that changes them, beside what the view allows.
const LOOK: Duration = Duration::from_millis(100);
/// A process that was away for longer than this many events does not read which they were.
const MOST: i64 = 50_000;

/// Tells a cache what happens in the log.
pub struct Follower {
    cache: Cache,
    /// From where the answers come: a replica's answers are new for what the replica has.
    log: Reads,
    known: Option<Known>,
}

struct Known {
    epoch: i32,
    position: Position,
    first: Option<Uuid>,
}

impl Follower {
    #[must_use]
    pub const fn new(cache: Cache, log: Reads) -> Self {
        Self { cache, log, known: None }
    }

    /// Until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.step().await {
                // Nothing is served from the cache after a moment; queries tell the rest.
                tracing::debug!(%error, "the caches do not follow the log");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// One look at the log.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub async fn step(&mut self) -> Result<(), ReadError> {
        let pool = self.log.any();
        let head = log::head(pool).await?;
        let touched = self.cache.touched();
        match &mut self.known {
            Some(known) if known.epoch == head.epoch && known.position <= head.position => {
                if known.first.is_none() && head.position > 0 {
                    known.first = first_event(pool).await?;
                    if let Some(first) = known.first {
                        touched.named(name(first, head.epoch));
                    }
                }
                if head.position - known.position > MOST {
                    touched.forget(head.position);
                } else if head.position > known.position {
                    let views = self.cache.views();
                    for (event_type, position) in types(pool, known.position, head.position).await? {
                        if ALWAYS.contains(&&*event_type) {
                            touched.forget(position);
                        }
                        for (index, view) in
                            views.iter().enumerate().filter(|(_, view)| view.is_changed_by(&event_type))
                        {
                            touched.touch(index, view, position);
                        }
                    }
                }
                known.position = head.position;
            }
            // The first look; a failover; a log that lost its tail.
            _ => {
                let first = first_event(pool).await?;
                self.cache.clear();
                touched.begin(head.position, first.map(|first| name(first, head.epoch)));
                self.known = Some(Known { epoch: head.epoch, position: head.position, first });
            }
        }
        touched.looked();
        Ok(())
    }
}

fn name(first: Uuid, epoch: i32) -> String {
    format!("{}:{epoch}", first.simple())
}

/// Names the log: no other one has it.
async fn first_event(pool: &PgPool) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("select event_id from events where position = 1").fetch_optional(pool).await
}

/// The last position of every type in a range.
async fn types(pool: &PgPool, after: Position, to: Position) -> Result<Vec<(String, Position)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select type, max(position) as "position!" from events
           where position > $1 and position <= $2 group by type"#,
        after,
        to
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.r#type, row.position)).collect())
}
