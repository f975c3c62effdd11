//! Retention: what is kept for how long, and the daily run that shreds what is older.
//!
//! A key is made per person, class and year, so that a year's data goes with its keys and nothing
//! newer does. No period is set at first: a community decides on its own periods.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Datelike, Utc};
use eventstore::jobs::{Job, JobError, JobFuture, Lease};
use kernel::Clock;
use serde::Serialize;
use sqlx::{PgExecutor, PgPool};

use crate::LifecycleError;

/// Persons shredded by one statement. More: an erasure of somebody waits longer for a lock.
const AT_ONCE: i32 = 500;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    pub class: String,
    pub purpose: String,
    pub basis: String,
    /// Whole years after the year of the event; `None` keeps it until the person is forgotten.
    pub keep_years: Option<i16>,
    /// What happens then: `shred`, the keys of those years are destroyed.
    pub action: String,
}

/// What a run did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retained {
    #[serde(flatten)]
    pub rule: Rule,
    /// Years before this one are over; `None`: nothing ever is.
    pub before: Option<i16>,
    /// Keys that are due.
    pub due: i64,
    /// Of them, under a legal hold.
    pub held: i64,
    pub destroyed: i64,
}

/// The table.
///
/// # Errors
/// [`LifecycleError::Store`]
pub async fn rules(log: impl PgExecutor<'_>) -> Result<Vec<Rule>, LifecycleError> {
    Ok(sqlx::query_as!(
        Rule,
        "select class, purpose, basis, keep_years, action from retention_rules order by class"
    )
    .fetch_all(log)
    .await?)
}

/// Shreds what is older than its period, by the key store's database (`keys`); `dry` only counts.
/// Interrupted, the next run goes on. The report is kept.
///
/// # Errors
/// [`LifecycleError::Store`]
pub async fn run(
    log: &PgPool,
    keys: &PgPool,
    now: DateTime<Utc>,
    dry: bool,
) -> Result<Vec<Retained>, LifecycleError> {
    let report = shred(rules(log).await?, keys, now, dry).await?;
    if !dry {
        keep(log, now, &report).await?;
    }
    Ok(report)
}

async fn shred(
    rules: Vec<Rule>,
    keys: &PgPool,
    now: DateTime<Utc>,
    dry: bool,
) -> Result<Vec<Retained>, LifecycleError> {
    let mut report = Vec::new();
    for rule in rules {
        let year = i16::try_from(now.with_timezone(&Utc).year()).unwrap_or(i16::MAX);
        let before = rule.keep_years.map(|keep| year.saturating_sub(keep));
        let mut line = Retained { rule, before, due: 0, held: 0, destroyed: 0 };
        if let Some(before) = before {
            let due = sqlx::query!(
                r#"select count(*) as "due!", count(*) filter (where c.state = 'sealed') as "held!"
                   from keys.subject_keys k
                   join keys.subject_classes c on c.subject = k.subject and c.class = k.class
                   where k.class = $1 and k.year < $2 and k.wrapped is not null"#,
                line.rule.class,
                before
            )
            .fetch_one(keys)
            .await?;
            (line.due, line.held) = (due.due, due.held);
            // In small batches, so that nobody who makes a key waits long.
            loop {
                if dry {
                    break;
                }
                let destroyed = sqlx::query_scalar!(
                    r#"select keys.erase_years($1, $2, $3) as "destroyed!""#,
                    &[line.rule.class.clone()],
                    before,
                    AT_ONCE
                )
                .fetch_one(keys)
                .await?;
                if destroyed == 0 {
                    break;
                }
                line.destroyed += destroyed;
            }
        }
        report.push(line);
    }
    Ok(report)
}

async fn keep(
    log: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    report: &[Retained],
) -> Result<(), LifecycleError> {
    let stored = serde_json::to_value(report).map_err(|error| LifecycleError::Other(error.to_string()))?;
    sqlx::query!("insert into retention_runs (ran_at, report) values ($1, $2)", now, stored)
        .execute(log)
        .await?;
    Ok(())
}

/// The run, by the clock.
pub struct RetentionRun {
    /// Of the key store, as the application.
    keys: Option<PgPool>,
    clock: Arc<dyn Clock>,
}

impl RetentionRun {
    /// Without a key store it is known and cannot be done.
    #[must_use]
    pub fn new(keys: Option<PgPool>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock }
    }
}

impl Job for RetentionRun {
    fn name(&self) -> &'static str {
        "retention"
    }

    fn about(&self) -> &'static str {
        "shreds personal data that is older than its period"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(86_400)
    }

    fn work<'a>(&'a self, lease: &'a Lease) -> JobFuture<'a> {
        Box::pin(async move {
            let Some(keys) = &self.keys else {
                return Err(JobError::Failed("no key store is known: set KEYS_DATABASE_URL".to_owned()));
            };
            let now = self.clock.now();
            let mut look = lease.begin().await?;
            let rules = rules(&mut *look).await.map_err(failed)?;
            look.commit().await?;
            // Another one at the same time would destroy the same keys: once is all there is.
            let report = shred(rules, keys, now, false).await.map_err(failed)?;
            let mut transaction = lease.begin().await?;
            keep(&mut *transaction, now, &report).await.map_err(failed)?;
            transaction.commit().await?;
            let (due, held, destroyed) = report.iter().fold((0, 0, 0), |(due, held, destroyed), line| {
                (due + line.due, held + line.held, destroyed + line.destroyed)
            });
            Ok(format!(
                "{due} keys were over their period, {held} of them under a hold, {destroyed} destroyed"
            ))
        })
    }
}

fn failed(error: LifecycleError) -> JobError {
    match error {
        LifecycleError::Store(error) => error.into(),
        error => JobError::Failed(error.to_string()),
    }
}
