use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use chrono::{DateTime, Utc};
use commands::past::state_of;
use eventstore::log;
use kernel::{Metadata, Name, Position, RecordedEvent, Version};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader::Reader;
use crate::{
    app::{App, Shared},
    command::path_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, answer, run},
};

/// What an aggregate was; personal fields stay sealed.
#[derive(Serialize, ToSchema)]
#[schema(as = AggregateAt)]
pub struct AggregateDocument {
    aggregate_type: String,
    aggregate_id: Uuid,
    version: Version,
    /// Its last event up to then.
    position: Position,
    occurred_at: DateTime<Utc>,
    /// As the rules see it.
    #[schema(value_type = Object)]
    state: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    End,
    Position(Position),
    Time(DateTime<Utc>),
}

/// `GET /v1/audit/aggregates/{type}/{id}?at=<position|time>`
pub async fn aggregate(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, folded(&app, &parts)).await
}

async fn folded(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["at"])?;
    let at = at(&params)?;
    let id = path_id(parts, 5, "id")?;
    let name = parts.uri.path().split('/').nth(4).and_then(|name| Name::parse(name.to_owned()).ok());
    let name = name.ok_or_else(|| Problem::bad_parameter("type", "The type in the path is no name."))?;
    let reader = Reader::of(identity, parts)?;
    let what = format!("{name}/{id} at={}", params.get("at").unwrap_or("end"));
    let subject = (name.as_str() == "account").then_some(id);
    reader.reads_about(app, "audit.aggregate", subject, &what).await?;
    let mut events = log::load_stream(app.reads.primary(), id, 0).await?.events;
    events.truncate(up_to(&events, at)?);
    let last = events.last().filter(|last| last.aggregate_type == name);
    let last = last.ok_or_else(|| Problem::not_found("There was no such aggregate then."))?;
    let (version, position, occurred_at) = (last.version, last.position, metadata(last)?.occurred_at);
    let state = state_of(name.as_str(), &events);
    let state = state.ok_or_else(|| Problem::not_found("Aggregates of this type have no state."))?;
    let state = state.map_err(|error| {
        tracing::error!(%error, "an aggregate of the past could not be folded");
        Problem::internal()
    })?;
    let aggregate_type = name.to_string();
    let document =
        AggregateDocument { aggregate_type, aggregate_id: id, version, position, occurred_at, state };
    answer(&parts.headers, &document, EntityTag::Read(version, position), Caching::Never)
}

fn metadata(event: &RecordedEvent) -> Result<Metadata, Problem> {
    event.metadata().map_err(|error| {
        tracing::error!(%error, "stored metadata cannot be read");
        Problem::internal()
    })
}

/// How many of the events had happened: times are those of the events, as the rules see them.
fn up_to(events: &[RecordedEvent], at: At) -> Result<usize, Problem> {
    match at {
        At::End => Ok(events.len()),
        At::Position(position) => Ok(events.partition_point(|event| event.position <= position)),
        At::Time(time) => {
            let mut count = 0;
            for event in events {
                if metadata(event)?.occurred_at > time {
                    break;
                }
                count += 1;
            }
            Ok(count)
        }
    }
}

fn at(params: &Params<'_>) -> Result<At, Problem> {
    let Some(text) = params.get("at") else { return Ok(At::End) };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(At::Position(params.number("at", 0..=i64::MAX / 2)?.unwrap_or(0)));
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(At::Time(time.to_utc())),
        Err(_) => Err(Problem::bad_parameter("at", "Write a position, or a time as 2026-09-23T14:05:00Z.")),
    }
}
