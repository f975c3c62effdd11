use std::time::Duration;

use eventstore::jobs::{Job, JobError, JobFuture, Jobs, Lease};

use crate::{
    Answer, Failure,
    cli::BackupOptions,
    command::{Context, backup},
};

const DAY: Duration = Duration::from_secs(86_400);
/// What a lost server costs at most when nothing else holds its last events.
const RPO: Duration = Duration::from_secs(300);

/// One of the commands of `replay backup`, by the clock.
struct Backup<'a> {
    what: What,
    context: Context<'a>,
    options: &'a BackupOptions,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Take,
    Wal,
    Prove,
    Prune,
}

pub(super) fn with<'a>(jobs: Jobs<'a>, context: Context<'a>, options: &'a BackupOptions) -> Jobs<'a> {
    // In the order in which they make sense when all are due: nothing can be proven before.
    [What::Take, What::Wal, What::Prove, What::Prune]
        .into_iter()
        .fold(jobs, |jobs, what| jobs.with(Backup { what, context, options }))
}

impl Job for Backup<'_> {
    fn name(&self) -> &'static str {
        match self.what {
            What::Take => "backup",
            What::Wal => "backup-wal",
            What::Prove => "backup-proof",
            What::Prune => "backup-prune",
        }
    }

    fn about(&self) -> &'static str {
        match self.what {
            What::Take => "takes a base backup of the log and one of the key store",
            What::Wal => "fetches the log's WAL",
            What::Prove => "restores a copy of the newest backups and checks every event",
            What::Prune => "removes backups that are too old",
        }
    }

    fn every(&self) -> Duration {
        match self.what {
            What::Wal => RPO,
            What::Take | What::Prove | What::Prune => DAY,
        }
    }

    fn group(&self) -> &'static str {
        match self.what {
            // Goes on while a base backup takes its hours, or a lost server would cost as much.
            What::Wal => "backup-wal",
            // They read and remove the same folders.
            What::Take | What::Prove | What::Prune => "backup",
        }
    }

    fn work<'a>(&'a self, _: &'a Lease) -> JobFuture<'a> {
        let Self { what, context, options } = *self;
        Box::pin(async move {
            let done = match what {
                What::Take => Box::pin(backup::take(context, options, false)).await,
                What::Wal => Box::pin(backup::wal(context, options)).await,
                What::Prove => Box::pin(backup::verify(context, options, None, false)).await,
                What::Prune => backup::prune(context, options),
            };
            said(done)
        })
    }
}

fn said(done: Result<Answer, Failure>) -> Result<String, JobError> {
    match done {
        Ok(answer) if answer.exit_code() == 0 => Ok(answer.text().replace('\n', "; ")),
        Ok(answer) => Err(JobError::Failed(answer.text().replace('\n', "; "))),
        Err(failure) => Err(JobError::Failed(failure.sentence().to_owned())),
    }
}
