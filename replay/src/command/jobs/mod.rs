//! `replay jobs`: how the work by the clock goes, and doing it.

mod backups;
mod list;

use std::{sync::Arc, time::Duration};

use eventstore::jobs::{DropGenerations, JobError, Jobs, Ran, log_jobs};
use kernel::SystemClock;
use lifecycle::retention::RetentionRun;
use serde::Serialize;

use super::Context;
use crate::{
    Answer, Failure,
    cli::{BackupOptions, JobsCommand},
};

pub async fn run(context: Context<'_>, command: &JobsCommand) -> Result<Answer, Failure> {
    match command {
        JobsCommand::List { options } => list::run(context, options).await,
        JobsCommand::Run { name, options } => Box::pin(one(context, name, options)).await,
        JobsCommand::Serve { options } => Box::pin(serve(context, options)).await,
    }
}

/// All jobs there are. Unlike `api` we have the owner's rights, and the programs that copy servers.
async fn jobs<'a>(context: Context<'a>, options: &'a BackupOptions) -> Result<Jobs<'a>, Failure> {
    let log = context.servers.log().await?;
    Ok(known(Jobs::new(log.pg().clone()), context, options))
}

fn known<'a>(jobs: Jobs<'a>, context: Context<'a>, options: &'a BackupOptions) -> Jobs<'a> {
    let jobs = log_jobs(jobs)
        .with(DropGenerations::new(context.servers.owner().clone()))
        .with(RetentionRun::new(context.servers.keys_owner().ok(), Arc::new(SystemClock)));
    backups::with(jobs, context, options)
}

#[derive(Serialize)]
struct Done<'a> {
    job: &'a str,
    said: String,
    seconds: f64,
}

async fn one(context: Context<'_>, name: &str, options: &BackupOptions) -> Result<Answer, Failure> {
    let jobs = jobs(context, options).await?;
    let Some(job) = jobs.iter().find(|job| job.name() == name) else {
        let known: Vec<&str> = jobs.iter().map(|job| job.name()).collect();
        return Err(Failure::could_not_run(format!(
            "no job is called `{name}`; there are {}",
            known.join(", ")
        )));
    };
    match Box::pin(jobs.look(job, true, context.stop)).await? {
        Ran::Done { said, took } => {
            let line = format!("{name}: {said} ({:.1} s)", took.as_secs_f64());
            Ok(Answer::new(&Done { job: job.name(), said, seconds: took.as_secs_f64() }).line(line))
        }
        Ran::NotNow => Err(Failure::refused(format!(
            "somebody does {name}, or another job of its group, at this moment: see `replay jobs list`"
        ))),
        Ran::Failed(JobError::Stopped) => {
            Err(Failure::Interrupted(format!("interrupted; {name} is as due as it was")))
        }
        Ran::Failed(error) => Err(Failure::refused(format!("{name} failed: {error}"))),
    }
}

async fn serve(context: Context<'_>, options: &BackupOptions) -> Result<Answer, Failure> {
    let jobs = jobs(context, options).await?;
    let names: Vec<&str> = jobs.iter().map(|job| job.name()).collect();
    context.screen.note(&format!("doing {} when they are due", names.join(", ")));
    Box::pin(jobs.run(context.stop.clone())).await;
    Ok(Answer::new(&serde_json::json!({"jobs": names})).line("stopped"))
}

/// As people write it: the largest unit that fits.
fn told(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s >= 3_600 && s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s >= 60 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
