use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use bytes::Bytes;
use commands::{Answer, CommandError};
use tokio::time::timeout;

use super::{WireCommand, answer::answer_response, json::parse, request::command_request, wire::CommandOf};
use crate::{
    app::{App, Shared},
    auth::Identity,
    http::{Lane, has_json_type, read_body},
    problem::Problem,
};

/// How long a command may take. It goes on when the time is over; its outcome is then unknown to
/// the caller, and the idempotency key tells it.
pub(crate) const COMMAND_TIME: Duration = Duration::from_secs(5);

/// One command. The steps stand in the order of answers: the route has matched,
/// so 413 · 401 · 415 and 400 · then the executor's 403 · 404 · 412 · 422 · 409 · 429 · 503.
pub(super) async fn handle<W: WireCommand>(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let identity = app.verifier.identity(&parts.headers)?;
    if !body.is_empty() && !has_json_type(&parts.headers) {
        return Err(Problem::unsupported_media_type());
    }
    if parts.uri.query().is_some() {
        return Err(Problem::no_query_here());
    }
    let answer = carry_out::<W>(&app, &parts, identity, &body).await?;
    Ok(answer_response(&answer))
}

/// The command itself, however it came: the path and the headers of `parts` count, as they do over
/// HTTP.
///
/// # Errors
/// Every refusal of a command but those of the transport.
pub(crate) async fn carry_out<W: WireCommand>(
    app: &App,
    parts: &Parts,
    identity: Identity,
    body: &Bytes,
) -> Result<Answer, Problem> {
    let creates = super::collection::creates::<W>();
    let wire: W = parse(body)?;
    let request = command_request(parts, identity, body, creates)?;
    let depends_on = wire.depends_on();
    let command = CommandOf::<W>::try_from(wire);
    let _turn = app.lanes.turn(Lane::Commands).await?;
    let Some(executor) = &app.executor else { return Err(Problem::unknown_route()) };
    let work = executor.execute_on::<W::Aggregate>(request, W::WORD, command, depends_on);
    Ok(timeout(COMMAND_TIME, work).await.unwrap_or(Err(CommandError::OutcomeUnknown))?)
}
