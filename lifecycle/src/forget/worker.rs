use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::workflow::{Progress, Workflow};
use crate::LifecycleError;

/// Between two looks. Longer: a person stays visible for longer; shorter: questions.
const LOOK: Duration = Duration::from_millis(500);
/// Requests worked on at once.
const AT_ONCE: usize = 8;
/// Looked at in one turn.
const TURN: i64 = 1_000;
/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Works on all open requests. Any number of processes may; what they do is done once or twice to
/// the same end, and a lease on each request keeps that rare.
pub struct Worker {
    workflow: Workflow,
    id: Uuid,
    /// Not before then.
    paused: HashMap<Uuid, (Instant, u32)>,
}

impl Worker {
    #[must_use]
    pub fn new(workflow: Workflow) -> Self {
        Self { workflow, id: Uuid::now_v7(), paused: HashMap::new() }
    }

    /// Until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut said = false;
        while !stop.is_cancelled() {
            match self.step().await {
                Ok(_) => said = false,
                Err(error) if !said => {
                    tracing::warn!(%error, "requests to forget cannot be worked on");
                    said = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK) => {}
            }
        }
    }

    /// One look at everything that is due; how many requests are not at rest.
    ///
    /// # Errors
    /// [`LifecycleError`] when the database cannot be asked; what is wrong with a request is noted
    /// with it.
    pub async fn step(&mut self) -> Result<usize, LifecycleError> {
        let now = self.workflow.deps.clock.now();
        // Provisional ones rest until their day is over.
        let due = sqlx::query_scalar!(
            "update forget_requests r set holder = $1, held_until = clock_timestamp() + interval '5 seconds'
             from (select request from forget_requests
                   where state <> 'final' and (state <> 'provisional' or due_at <= $2)
                     and (holder is null or holder = $1 or held_until < clock_timestamp())
                   order by requested_at limit $3 for update skip locked) d
             where r.request = d.request returning r.request",
            self.id,
            now,
            TURN
        )
        .fetch_all(&self.workflow.deps.pool)
        .await?;
        let at = Instant::now();
        let due: Vec<Uuid> = due
            .into_iter()
            .filter(|request| self.paused.get(request).is_none_or(|(until, _)| *until <= at))
            .collect();
        let workflow = &self.workflow;
        let done: Vec<(Uuid, Result<Progress, LifecycleError>)> = stream::iter(due.clone())
            .map(|request| async move { (request, workflow.advance(request).await) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut to_scan = Vec::new();
        for (request, progress) in done {
            match progress {
                Ok(Progress::ToScan) => to_scan.push(request),
                Ok(_) => _ = self.paused.remove(&request),
                Err(_) => self.pause(request),
            }
        }
        if !to_scan.is_empty() {
            match self.workflow.scan(&to_scan).await {
                Ok(()) => {
                    for request in to_scan {
                        self.paused.remove(&request);
                        if self.workflow.advance(request).await.is_err() {
                            self.pause(request);
                        }
                    }
                }
                Err(_) => to_scan.into_iter().for_each(|request| self.pause(request)),
            }
        }
        Ok(due.len())
    }

    fn pause(&mut self, request: Uuid) {
        let entry = self.paused.entry(request).or_insert((Instant::now(), 0));
        entry.1 += 1;
        let pause = Duration::from_secs(1 << entry.1.min(6)).min(LONGEST_PAUSE);
        entry.0 = Instant::now() + pause;
    }
}
