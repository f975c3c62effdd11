//! What is written down about persons, and what is shredded by age.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};

use eventstore::seal::Sealer;
use kernel::{Clock, SystemClock};
use lifecycle::{LifecycleError, export::ExportedBy, retention};
use serde::Serialize;

use super::{Context, audit};
use crate::{
    Answer, Failure,
    cli::{ExportArguments, RetentionCommand},
    interrupt::or_interrupted,
};

#[derive(Serialize)]
struct Written {
    file: String,
    events: i64,
    sha256: String,
}

pub async fn export(context: Context<'_>, arguments: &ExportArguments) -> Result<Answer, Failure> {
    let work = async {
        let log = context.servers.log().await?;
        let sealer = Sealer::new(context.servers.keys().await?);
        let key = context.servers.certificate_key()?;
        let now = SystemClock.now();
        let who = format!("operator:{}", audit::login());
        let by = ExportedBy { who: &who, why: &arguments.reason };
        let (pool, account) = (log.pg(), arguments.account);
        let document = lifecycle::export::export(pool, &sealer, &key, account, by, now).await;
        let document = document.map_err(|error| match error {
            LifecycleError::Other(text) => Failure::refused(text),
            error => error.into(),
        })?;
        let path = &arguments.to;
        let failed = |error: std::io::Error| {
            Failure::could_not_run(format!("{} cannot be written: {error}", path.display()))
        };
        // For one pair of eyes.
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(format!("{document:#}\n").as_bytes()).map_err(failed)?;
        let manifest = &document["manifest"];
        let events = manifest["events"].as_i64().unwrap_or_default();
        let sha256 = manifest["sha256"].as_str().unwrap_or_default().to_owned();
        let line = format!("{}: {events} events, sha256 {sha256}", path.display());
        Ok(Answer::new(&Written { file: path.display().to_string(), events, sha256 }).line(line))
    };
    or_interrupted(context.stop, "nothing was changed", Box::pin(work)).await
}

#[derive(Serialize)]
struct Ran {
    dry_run: bool,
    rules: Vec<retention::Retained>,
}

pub async fn retention(context: Context<'_>, command: &RetentionCommand) -> Result<Answer, Failure> {
    let RetentionCommand::Run { dry_run } = command;
    let work = async {
        let keys = context.servers.keys_owner()?;
        let rules = retention::run(context.servers.owner(), &keys, SystemClock.now(), *dry_run).await?;
        let lines: Vec<String> = rules
            .iter()
            .map(|line| match line.before {
                None => format!("{}: kept until the person is forgotten", line.rule.class),
                Some(before) => format!(
                    "{}: {} keys of years before {before} are over ({} under a hold), {} destroyed",
                    line.rule.class, line.due, line.held, line.destroyed
                ),
            })
            .collect();
        Ok(Answer::new(&Ran { dry_run: *dry_run, rules }).lines(lines))
    };
    or_interrupted(context.stop, "the same command goes on", Box::pin(work)).await
}
