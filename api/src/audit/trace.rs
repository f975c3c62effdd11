use std::collections::{HashMap, HashSet};

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use chrono::{DateTime, Utc};
use eventstore::log::{AuditEvent, audit_events_at};
use kernel::{Metadata, Position, Version};
use projections::audit::audit_index::{IndexFilter, indexed};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader::Reader;
use crate::{
    app::{App, Shared},
    command::path_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, answer, caught_up, run},
};

/// Events of one answer. A chain that is longer goes on with `after`.
const MOST: i64 = 1_000;

/// A command, its events, and the commands that followed from it.
#[derive(Serialize, ToSchema)]
#[schema(as = TraceStep, no_recursion)]
pub struct StepDocument {
    command_id: Uuid,
    #[schema(example = "node.tie")]
    command: String,
    /// An account's id, or `system`.
    actor: String,
    /// The event or command it followed from; its own id where it came from outside.
    causation_id: Uuid,
    occurred_at: DateTime<Utc>,
    events: Vec<TracedDocument>,
    caused: Vec<StepDocument>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TracedEvent)]
pub struct TracedDocument {
    position: Position,
    event_id: Uuid,
    aggregate_type: String,
    aggregate_id: Uuid,
    version: Version,
    #[serde(rename = "type")]
    event_type: String,
}

/// What followed from one request.
#[derive(Serialize, ToSchema)]
#[schema(as = Trace)]
pub struct TraceDocument {
    correlation_id: Uuid,
    /// Those that came from outside, or followed from what is not in this answer.
    steps: Vec<StepDocument>,
    /// How far the index was.
    position: Position,
    /// There is more: ask again with `after`.
    next_after: Option<Position>,
}

/// `GET /v1/audit/trace/{correlation}?after=`
pub async fn trace(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, traced(&app, &parts)).await
}

async fn traced(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["after"])?;
    let after = params.number("after", 0..=i64::MAX / 2)?.unwrap_or(0);
    let id = path_id(parts, 4, "correlation")?;
    let reader = Reader::of(identity, parts)?;
    caught_up(app, &parts.headers, &["audit_index"]).await?;
    reader.reads(app, "audit.trace", &format!("correlation={id} after={after}")).await?;
    let filter = IndexFilter { correlation: Some(id), ..IndexFilter::default() };
    let found = indexed(app.reads.primary(), &filter, after, MOST).await?;
    let events = audit_events_at(app.reads.primary(), &found.positions).await?;
    if events.is_empty() && after == 0 {
        return Err(Problem::not_found("The log has nothing of this correlation."));
    }
    let full = found.positions.len() as i64 == MOST;
    let document = TraceDocument {
        correlation_id: id,
        steps: tree(steps(&events)?),
        position: found.position,
        next_after: found.positions.last().copied().filter(|_| full),
    };
    answer(&parts.headers, &document, EntityTag::List(found.position), Caching::Never)
}

/// One step per command, in the order of the log.
fn steps(events: &[AuditEvent]) -> Result<Vec<StepDocument>, Problem> {
    let mut steps: Vec<StepDocument> = Vec::new();
    let mut by_command: HashMap<Uuid, usize> = HashMap::new();
    for event in events {
        let metadata: Metadata = serde_json::from_str(event.metadata.get()).map_err(|error| {
            tracing::error!(position = event.position, kind = ?error.classify(), "stored metadata cannot be read");
            Problem::internal()
        })?;
        let at = *by_command.entry(metadata.command_id).or_insert_with(|| {
            steps.push(StepDocument {
                command_id: metadata.command_id,
                command: metadata.command.clone(),
                actor: metadata.actor.to_string(),
                causation_id: metadata.causation_id,
                occurred_at: metadata.occurred_at,
                events: Vec::new(),
                caused: Vec::new(),
            });
            steps.len() - 1
        });
        steps[at].events.push(TracedDocument {
            position: event.position,
            event_id: event.event_id,
            aggregate_type: event.aggregate_type.clone(),
            aggregate_id: event.aggregate_id,
            version: event.version,
            event_type: event.event_type.clone(),
        });
    }
    Ok(steps)
}

/// Hangs each step under the one whose event or command it followed from. What followed is later
/// in the log, so the last steps are finished first, and nothing can go round in circles.
fn tree(mut steps: Vec<StepDocument>) -> Vec<StepDocument> {
    let mut seen: HashMap<Uuid, usize> = HashMap::new();
    let mut parents = Vec::with_capacity(steps.len());
    for (at, step) in steps.iter().enumerate() {
        parents.push(seen.get(&step.causation_id).copied());
        seen.insert(step.command_id, at);
        seen.extend(step.events.iter().map(|event| (event.event_id, at)));
    }
    let roots: HashSet<usize> = (0..steps.len()).filter(|at| parents[*at].is_none()).collect();
    let mut top = Vec::new();
    for at in (0..parents.len()).rev() {
        let Some(mut step) = steps.pop() else { break };
        step.caused.reverse();
        match parents[at] {
            Some(parent) if !roots.contains(&at) => steps[parent].caused.push(step),
            _ => top.push(step),
        }
    }
    top.reverse();
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(command: u128, cause: u128, events: &[u128]) -> StepDocument {
        let event = |id: &u128| TracedDocument {
            position: 1,
            event_id: Uuid::from_u128(*id),
            aggregate_type: "node".into(),
            aggregate_id: Uuid::nil(),
            version: 1,
            event_type: "NodeTied".into(),
        };
        StepDocument {
            command_id: Uuid::from_u128(command),
            command: "node.tie".into(),
            actor: "system".into(),
            causation_id: Uuid::from_u128(cause),
            occurred_at: DateTime::UNIX_EPOCH,
            events: events.iter().map(event).collect(),
            caused: vec![],
        }
    }

    fn told(steps: &[StepDocument]) -> String {
        let one = |step: &StepDocument| format!("{}({})", step.command_id.as_u128(), told(&step.caused));
        steps.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_followed_hangs_under_what_it_followed_from() {
        let steps = vec![
            step(1, 1, &[10, 11]),
            step(2, 10, &[20]),
            step(3, 11, &[30]),
            step(4, 20, &[40]),
            step(5, 1, &[50]),
            step(6, 99, &[60]),
        ];
        assert_eq!(told(&tree(steps)), "1(2(4()) 3() 5()) 6()");
        assert_eq!(told(&tree(vec![step(1, 2, &[]), step(2, 1, &[])])), "1(2())");
        assert_eq!(told(&tree(vec![])), "");
    }
}
