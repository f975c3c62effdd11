use chrono::{DateTime, Utc};
use eventstore::subscription::{ParkedEvent, RetryReport, parked_events, retry_parked, skip_event};
use serde::Serialize;
use uuid::Uuid;

use super::{Context, names};
use crate::{
    Answer, Failure,
    interrupt::or_interrupted,
    terminal::{count, counted},
};

const GO_ON: &str = "what was done for a whole key stays, the same command goes on";

#[derive(Serialize)]
struct Listed {
    events: Vec<Parked>,
}

#[derive(Serialize)]
struct Parked {
    name: String,
    generation: i32,
    key: String,
    position: i64,
    event_id: Uuid,
    /// None: it only queues behind an earlier one of its key.
    reason: Option<String>,
    attempts: i32,
    parked_at: DateTime<Utc>,
}

pub async fn list(context: Context<'_>, name: Option<&str>) -> Result<Answer, Failure> {
    if let Some(name) = name {
        names::chosen(&[name.to_owned()])?;
    }
    let work = async { Ok(parked_events(context.servers.owner(), name).await?) };
    let events = or_interrupted(context.stop, "nothing was changed", work).await?;
    let lines = lines(&events);
    let events = events
        .into_iter()
        .map(|event| Parked {
            name: event.projection,
            generation: event.generation,
            key: event.key,
            position: event.position,
            event_id: event.event_id,
            reason: event.reason,
            attempts: event.attempts,
            parked_at: event.parked_at,
        })
        .collect();
    Ok(Answer::new(&Listed { events }).lines(lines))
}

/// One line per key: what is in the way, and how much queues behind it.
fn lines(events: &[ParkedEvent]) -> Vec<String> {
    if events.is_empty() {
        return vec!["nothing is parked".to_owned()];
    }
    let same = |a: &ParkedEvent, b: &ParkedEvent| {
        (&a.projection, a.generation, &a.key) == (&b.projection, b.generation, &b.key)
    };
    events
        .chunk_by(same)
        .filter_map(|key| {
            let first = key.first()?;
            let behind = i64::try_from(key.len()).unwrap_or(i64::MAX) - 1;
            Some(format!(
                "{} generation {}, key {}: the event at position {} cannot be applied ({}); tried {}, since {}; {} behind it",
                first.projection,
                first.generation,
                first.key,
                first.position,
                first.reason.as_deref().unwrap_or("it queues behind another"),
                counted(first.attempts.into(), "time", "times"),
                first.parked_at.format("%Y-%m-%d %H:%M:%S UTC"),
                counted(behind, "event waits", "events wait"),
            ))
        })
        .collect()
}

#[derive(Serialize)]
struct Retried {
    generations: Vec<One>,
}

#[derive(Serialize)]
struct One {
    name: String,
    generation: i32,
    healed: Vec<String>,
    still_parked: Vec<Still>,
}

#[derive(Serialize)]
struct Still {
    key: String,
    position: i64,
    reason: String,
}

pub async fn retry(context: Context<'_>, name: &str, keys: &[String]) -> Result<Answer, Failure> {
    let registry = names::chosen(&[name.to_owned()])?;
    let work = async {
        let log = context.servers.log().await?;
        let keys = (!keys.is_empty()).then_some(keys);
        context.screen.note("reading the log to find the events of the parked keys");
        Ok(retry_parked(log.pg(), &registry, name, keys).await?)
    };
    let reports = or_interrupted(context.stop, GO_ON, Box::pin(work)).await?;
    Ok(told(reports, &format!("{name}: nothing is parked that could be tried again")))
}

pub async fn skip(
    context: Context<'_>,
    name: &str,
    key: &str,
    position: i64,
    reason: &str,
) -> Result<Answer, Failure> {
    let registry = names::chosen(&[name.to_owned()])?;
    let work = async {
        let log = context.servers.log().await?;
        Ok(skip_event(log.pg(), &registry, name, key, position, reason).await?)
    };
    let reports = or_interrupted(context.stop, GO_ON, Box::pin(work)).await?;
    let line =
        format!("{name}: the event at position {} has no effect on key {key} any more", count(position));
    Ok(told(reports, &line))
}

fn told(reports: Vec<RetryReport>, otherwise: &str) -> Answer {
    let mut lines = Vec::new();
    for report in &reports {
        let RetryReport { projection, generation, healed, still_parked } = report;
        if !healed.is_empty() {
            lines.push(format!("{projection} generation {generation}: healed {}", healed.join(", ")));
        }
        lines.extend(still_parked.iter().map(|(key, position, reason)| {
            format!(
                "{projection} generation {generation}, key {key}: STILL PARKED, the event at position {} \
                 cannot be applied ({reason})",
                count(*position)
            )
        }));
    }
    if lines.is_empty() {
        lines.push(otherwise.to_owned());
    }
    let fine = reports.iter().all(|report| report.still_parked.is_empty());
    let generations = reports
        .into_iter()
        .map(|report| One {
            name: report.projection,
            generation: report.generation,
            healed: report.healed,
            still_parked: report
                .still_parked
                .into_iter()
                .map(|(key, position, reason)| Still { key, position, reason })
                .collect(),
        })
        .collect();
    Answer::new(&Retried { generations }).lines(lines).fine(fine)
}
