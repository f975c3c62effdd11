use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Runner, Step, take_back};
use crate::log::PageLimit;

/// How long an idle runner waits before it asks for the head.
const POLL: Duration = Duration::from_millis(200);
/// The group's batches begin at least this far apart while events keep coming: a batch costs a few
/// dozen round trips however small it is. The first one after a rest begins at once.
const GATHER: Duration = Duration::from_millis(20);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Runner {
    /// Runs until `stop`; a batch that has begun is finished.
    ///
    /// On a thread of its own: a batch is a few dozen round trips one after the other, and among the
    /// requests of a busy process each would wait for its turn on the shared runtime.
    pub async fn run(self, stop: CancellationToken) {
        // Also when this future is dropped.
        let stop = stop.child_token();
        let _guard = stop.clone().drop_guard();
        let (ended, end) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let thread = std::thread::Builder::new().name("projector".to_owned());
        let begun = runtime.and_then(|runtime| {
            thread.spawn(move || {
                let _ended = ended;
                runtime.block_on(self.follow(stop));
            })
        });
        match begun {
            // It ends by being dropped.
            Ok(_) => drop(end.await),
            Err(error) => tracing::error!(%error, "the projections have no thread and do not run"),
        }
    }

    async fn follow(mut self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            match self.round().await {
                Ok(Step::Applied(_)) => {
                    pause = FIRST_PAUSE;
                    if !self.positions.anybody_waits() {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            _ = self.demand.changed() => {}
                            () = self.pausing.pause() => {}
                        }
                    }
                    let gathering = self.gathering();
                    if !gathering.is_zero() {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = tokio::time::sleep(gathering) => {}
                        }
                    }
                }
                Ok(Step::Idle) => {
                    pause = FIRST_PAUSE;
                    self.pausing.caught_up();
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = self.feed.wait(self.front, POLL) => {}
                        _ = self.demand.changed() => {}
                        Some(back) = self.away.join_next_with_id(), if !self.away.is_empty() => {
                            take_back(&mut self.members, &mut self.away_rows, back);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "projections wait for the database");
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        self.rejoin().await;
        self.writer.close().await;
        self.log.pg().close().await;
    }

    /// What is left of the time in which the next batch gathers events; nothing when a full one
    /// is there.
    fn gathering(&self) -> Duration {
        let behind = self.feed.head() - self.front >= PageLimit::TAIL.events;
        let since = self.batched.filter(|_| !behind).map(|at| at.elapsed());
        since.map_or(Duration::ZERO, |since| GATHER.saturating_sub(since))
    }
}
