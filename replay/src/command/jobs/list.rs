use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use eventstore::jobs::{Jobs, standing};
use serde::Serialize;

use super::{known, told};
use crate::{Answer, Failure, cli::BackupOptions, command::Context};

#[derive(Serialize)]
struct Listed {
    jobs: Vec<One>,
}

#[derive(Serialize)]
struct One {
    name: String,
    /// `null` for a job of another version.
    about: Option<&'static str>,
    every_seconds: f64,
    running: bool,
    /// `null`: nobody has asked for it yet.
    due_at: Option<DateTime<Utc>>,
    overdue_seconds: f64,
    succeeded_at: Option<DateTime<Utc>>,
    seconds: Option<f64>,
    runs: i64,
    failures: i64,
    failing: i32,
    said: Option<String>,
}

pub async fn run(context: Context<'_>, options: &BackupOptions) -> Result<Answer, Failure> {
    // Only looked at, so it works on a server that is refused as well.
    let known = known(Jobs::new(context.servers.owner().clone()), context, options);
    let mut rows = standing(context.servers.owner()).await?;
    let mut jobs: Vec<One> = known
        .iter()
        .map(|job| {
            let row = rows.iter().position(|row| row.job == job.name()).map(|at| rows.remove(at));
            let mut one = One::never(job.name(), job.every());
            if let Some(row) = row {
                one.take(row);
            }
            one.about = Some(job.about());
            one
        })
        .collect();
    for row in rows {
        let mut one = One::never(&row.job, Duration::ZERO);
        one.take(row);
        jobs.push(one);
    }
    let lines: Vec<String> = jobs.iter().map(One::line).collect();
    Ok(Answer::new(&Listed { jobs }).lines(lines))
}

impl One {
    fn never(name: &str, every: Duration) -> Self {
        Self {
            name: name.to_owned(),
            about: None,
            every_seconds: every.as_secs_f64(),
            running: false,
            due_at: None,
            overdue_seconds: 0.0,
            succeeded_at: None,
            seconds: None,
            runs: 0,
            failures: 0,
            failing: 0,
            said: None,
        }
    }

    fn take(&mut self, row: eventstore::jobs::JobStanding) {
        self.every_seconds = row.period_seconds;
        self.running = row.running;
        self.due_at = Some(row.due_at);
        self.overdue_seconds = if row.running { 0.0 } else { row.overdue_seconds };
        self.succeeded_at = row.succeeded_at;
        self.seconds = row.seconds;
        self.runs = row.runs;
        self.failures = row.failures;
        self.failing = row.failing;
        self.said = row.said;
    }

    fn line(&self) -> String {
        let at = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let state = match (self.running, self.failing, self.due_at) {
            (true, ..) => "running now".to_owned(),
            (_, 0, None) => "never asked for: `replay jobs serve` does it".to_owned(),
            (_, 0, Some(due)) => format!("due {}", at(due)),
            (_, failing, due) => {
                let again = due.map_or_else(String::new, |due| format!(", again {}", at(due)));
                format!("FAILED {failing} times in a row{again}")
            }
        };
        let succeeded = self.succeeded_at.map_or_else(
            || "never succeeded".to_owned(),
            |when| format!("succeeded {} in {:.1} s", at(when), self.seconds.unwrap_or(0.0)),
        );
        let said = self.said.as_deref().map_or_else(String::new, |said| format!(": {said}"));
        let every = told(Duration::from_secs_f64(self.every_seconds));
        format!("{:<13} every {every:<4} {state}; {succeeded}{said}", self.name)
    }
}
