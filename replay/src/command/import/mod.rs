//! Takes over what other event stores hold.

mod convert;
mod map;
mod source;
mod take;

use serde::Serialize;

use super::Context;
use crate::{
    Answer, Failure,
    cli::{ImportArguments, ImportCommand},
    interrupt::or_interrupted,
    terminal::counted,
};

/// What was taken over.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    dry_run: bool,
    aggregates: i64,
    events: i64,
    /// They were there from an import before.
    already_there: i64,
    /// Their metadata had no time: they have the import's.
    without_time: i64,
    personal_fields: i64,
    metadata_kept: bool,
    /// Aggregates that were not taken over, or not whole, and why; the first ones.
    refused: Vec<Refused>,
    refused_aggregates: i64,
}

#[derive(Debug, Serialize)]
struct Refused {
    aggregate_type: String,
    aggregate_id: String,
    /// Of the event that could not be taken over.
    sequence: i64,
    why: String,
}

/// Refusals told in full.
const TOLD: usize = 20;

pub async fn run(context: Context<'_>, command: &ImportCommand) -> Result<Answer, Failure> {
    let ImportCommand::PostgresEs(arguments) = command;
    let go_on = "what was taken over stands, and the same command goes on behind it";
    or_interrupted(context.stop, go_on, Box::pin(postgres_es(context, arguments))).await
}

async fn postgres_es(context: Context<'_>, arguments: &ImportArguments) -> Result<Answer, Failure> {
    let report = take::all(context, arguments).await?;
    let done = if report.dry_run { "would be taken over" } else { "taken over" };
    let mut lines = vec![
        format!(
            "{done}: {} of {}, {} were there",
            counted(report.events, "event", "events"),
            counted(report.aggregates, "aggregate", "aggregates"),
            report.already_there
        ),
        format!(
            "order: by aggregate type and id, each in its own sequence; {} without a time",
            report.without_time
        ),
        format!("personal fields sealed: {}", report.personal_fields),
        match report.metadata_kept {
            true => "metadata: kept under `custom`".to_owned(),
            false => "metadata: not taken over, but for the time".to_owned(),
        },
    ];
    lines.extend(report.refused.iter().map(|one| {
        format!(
            "refused: {}/{} from sequence {} on: {}",
            one.aggregate_type, one.aggregate_id, one.sequence, one.why
        )
    }));
    if report.refused_aggregates > report.refused.len() as i64 {
        lines.push(format!("refused: {} aggregates in all", report.refused_aggregates));
    }
    let fine = report.refused_aggregates == 0;
    Ok(Answer::new(&report).lines(lines).fine(fine))
}
