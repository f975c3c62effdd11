use std::{future::Future, pin::Pin, time::Duration};

use super::{JobError, Lease};

/// What a job does; at its end a sentence on what it did, which names no values.
pub type JobFuture<'a> = Pin<Box<dyn Future<Output = Result<String, JobError>> + Send + 'a>>;

/// Something to be done again and again, by one process at a time.
///
/// It is begun anew from its beginning when the one who did it has died, so it has to be harmless
/// when a part of it is done already.
pub trait Job: Send + Sync {
    /// a-z, 0-9 and `-`, at most 40 characters; the key of its row and a metric's label.
    fn name(&self) -> &'static str;

    /// One line for operators.
    fn about(&self) -> &'static str;

    /// From the beginning of one run to the beginning of the next.
    fn every(&self) -> Duration;

    /// Of the jobs of one group at most one runs at a time, in all processes together.
    fn group(&self) -> &'static str {
        self.name()
    }

    /// Dropped half-way when the lease is lost or the process ends.
    fn work<'a>(&'a self, lease: &'a Lease) -> JobFuture<'a>;
}
