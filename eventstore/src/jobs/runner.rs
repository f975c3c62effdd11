use std::time::{Duration, Instant};

use futures::{StreamExt, stream::FuturesUnordered};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Job, JobError, Lease,
    claim::{claim, due_in},
};
use crate::StoreError;

/// Too short: a database that is slow for a moment ends a run; too long: after a kill -9 the job
/// waits for as long.
const LEASE: Duration = Duration::from_secs(60);
/// A job is looked at this often, whatever its row says: another process may have died with it, or
/// somebody may have changed the row.
const LOOK: Duration = Duration::from_secs(15);
/// After a look that failed.
const AGAIN: Duration = Duration::from_secs(5);

/// What one look came to.
#[derive(Debug)]
pub enum Ran {
    /// Not due, or in somebody else's hands.
    NotNow,
    Done {
        said: String,
        took: Duration,
    },
    /// Recorded and tried again later, unless it was lost or stopped.
    Failed(JobError),
}

/// The jobs of one process. Any number of processes may have the same ones.
pub struct Jobs<'a> {
    pool: PgPool,
    jobs: Vec<Box<dyn Job + 'a>>,
    holder: Uuid,
    lease: Duration,
}

impl<'a> Jobs<'a> {
    /// `pool` is of the log, and refused on a server that is not the epoch's own.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, jobs: Vec::new(), holder: Uuid::new_v4(), lease: LEASE }
    }

    #[must_use]
    pub fn with(mut self, job: impl Job + 'a) -> Self {
        self.jobs.push(Box::new(job));
        self
    }

    /// How long the jobs of a dead process wait for another one.
    #[must_use]
    pub const fn leased_for(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = &(dyn Job + 'a)> {
        self.jobs.iter().map(|job| &**job)
    }

    /// Does what is due until `stop`; each job has its own pace.
    pub async fn run(self, stop: CancellationToken) {
        let mut following: FuturesUnordered<_> =
            self.jobs.iter().map(|job| self.follow(&**job, &stop)).collect();
        while following.next().await.is_some() {}
    }

    async fn follow(&self, job: &(dyn Job + 'a), stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.look(job, false, stop).await {
                Ok(ran) => {
                    tell(job.name(), &ran);
                    self.until_due(job, matches!(ran, Ran::NotNow)).await
                }
                Err(error) => {
                    // The database's absence has alarms of its own.
                    tracing::debug!(job = job.name(), %error, "the job's row could not be read");
                    AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn until_due(&self, job: &(dyn Job + 'a), in_vain: bool) -> Duration {
        // One that is due already and was not taken waits for its group.
        let least = if in_vain { 2.0 } else { 0.5 };
        match due_in(&self.pool, job.name()).await {
            Ok(seconds) => Duration::from_secs_f64(seconds.unwrap_or(0.0).clamp(least, LOOK.as_secs_f64())),
            Err(_) => AGAIN,
        }
    }

    /// Does the job if it is due and nobody does it; with `now` also if it is not due.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read or written; how the job went is in [`Ran`].
    pub async fn look(
        &self,
        job: &(dyn Job + 'a),
        now: bool,
        stop: &CancellationToken,
    ) -> Result<Ran, StoreError> {
        let Some(run) = claim(&self.pool, job, self.holder, self.lease, now).await? else {
            return Ok(Ran::NotNow);
        };
        let began = Instant::now();
        let lease = Lease::new(self.pool.clone(), job.name(), run, self.holder, self.lease);
        let done = tokio::select! {
            // What is done counts, also when the lease ends in the same moment: finishing tells.
            biased;
            done = job.work(&lease) => done,
            () = lease.keep() => Err(JobError::LeaseLost),
            () = stop.cancelled() => Err(JobError::Stopped),
        };
        let ours = match &done {
            Ok(said) => lease.finish(true, said).await?,
            Err(JobError::LeaseLost) => true,
            Err(JobError::Stopped) => {
                lease.give_back().await?;
                true
            }
            Err(error) => lease.finish(false, &error.to_string()).await?,
        };
        Ok(match done {
            _ if !ours => Ran::Failed(JobError::LeaseLost),
            Ok(said) => Ran::Done { said, took: began.elapsed() },
            Err(error) => Ran::Failed(error),
        })
    }
}

fn tell(job: &'static str, ran: &Ran) {
    match ran {
        Ran::NotNow => {}
        Ran::Done { said, took } => {
            tracing::debug!(job, said, seconds = took.as_secs_f64(), "a job is done");
        }
        Ran::Failed(JobError::Stopped) => {}
        Ran::Failed(error) => tracing::warn!(job, %error, "a job failed and is tried again"),
    }
}
