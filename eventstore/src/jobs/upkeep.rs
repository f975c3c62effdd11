use std::time::Duration;

use super::{Job, JobFuture, Jobs, Lease};
use crate::log::{self, UPKEEP_BATCH};

/// Short enough that a partition is there long before the last one is full.
const EVERY: Duration = Duration::from_secs(60);

/// Keeps tables attached ahead of the one that is written.
pub struct PartitionsAhead;

impl Job for PartitionsAhead {
    fn name(&self) -> &'static str {
        "partitions"
    }

    fn about(&self) -> &'static str {
        "attaches the log's next partitions"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn work<'a>(&'a self, lease: &'a Lease) -> JobFuture<'a> {
        Box::pin(async move {
            let mut transaction = lease.begin().await?;
            let made = log::ensure_partitions(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(format!("{made} attached"))
        })
    }
}

/// Deletes receipts that are older than three days.
pub struct ExpireReceipts;

impl Job for ExpireReceipts {
    fn name(&self) -> &'static str {
        "receipts"
    }

    fn about(&self) -> &'static str {
        "deletes receipts of commands that are older than three days"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn work<'a>(&'a self, lease: &'a Lease) -> JobFuture<'a> {
        Box::pin(async move {
            let mut deleted = 0;
            loop {
                let mut transaction = lease.begin().await?;
                let batch = log::expire_receipts(&mut *transaction).await?;
                transaction.commit().await?;
                deleted += batch;
                if batch < UPKEEP_BATCH {
                    return Ok(format!("{deleted} deleted"));
                }
            }
        })
    }
}

/// Ends counted windows that are over.
pub struct ExpireWindows;

impl Job for ExpireWindows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn about(&self) -> &'static str {
        "deletes counted quotas whose window has ended"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn work<'a>(&'a self, lease: &'a Lease) -> JobFuture<'a> {
        Box::pin(async move {
            let mut ended = 0;
            loop {
                let mut transaction = lease.begin().await?;
                let batch = log::expire_windows(&mut *transaction).await?;
                transaction.commit().await?;
                ended += batch;
                if batch < UPKEEP_BATCH {
                    return Ok(format!("{ended} ended"));
                }
            }
        })
    }
}

/// What the log needs done, as the application's role.
#[must_use]
pub fn log_jobs(jobs: Jobs<'_>) -> Jobs<'_> {
    jobs.with(PartitionsAhead).with(ExpireReceipts).with(ExpireWindows)
}
