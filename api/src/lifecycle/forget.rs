use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION},
    },
    response::Response,
};
use commands::CommandError;
use domain::{
    Rejection,
    platform::person::{
        Contents, Person, PersonCommand, PersonCommandKind, Reason, RequestForget, forget_request_id,
        person_id,
    },
};
use lifecycle::forget::note_request;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    app::Shared,
    command::{COMMAND_TIME, command_request, parse, parse_id},
    http::{Lane, has_json_type, read_body},
    problem::Problem,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForgetBody {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Accepted {
    request: Uuid,
    account_id: Uuid,
    content: Contents,
    status: String,
    position: i64,
}

/// `POST /v1/accounts/{id}/forget`: by the person, or by an operator with a reason. 202: it is in
/// the log and will be done; `GET /v1/forget/{request}` says how far it is.
pub async fn forget(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let identity = app.verifier.identity(&parts.headers)?;
    if !body.is_empty() && !has_json_type(&parts.headers) {
        return Err(Problem::unsupported_media_type());
    }
    if parts.uri.query().is_some() {
        return Err(Problem::no_query_here());
    }
    let wire: ForgetBody = parse(&body)?;
    let mut asked = command_request(&parts, identity, &body, false)?;
    let account = asked.aggregate_id;
    debug_assert!(parts.uri.path().split('/').nth(3).and_then(parse_id) == Some(account));
    asked.aggregate_id = person_id(account);
    let command = command(account, wire);
    let content = match &command {
        Ok(PersonCommand::RequestForget(request)) => request.content,
        _ => Contents::Erase,
    };
    let _turn = app.lanes.turn(Lane::Commands).await?;
    let Some(executor) = &app.executor else { return Err(Problem::unknown_route()) };
    let work = executor.execute::<Person>(asked, PersonCommandKind::RequestForget.name(), command);
    let answer = timeout(COMMAND_TIME, work).await.unwrap_or(Err(CommandError::OutcomeUnknown))?;
    // In the log it stands already; the row only makes the status known at once.
    let request = forget_request_id(account, content);
    let request = note_request(app.log.pg(), account, content, app.clock.now())
        .await
        .map_err(|error| {
            tracing::error!(%error, "a request to forget is in the log, but not among the requests yet");
            Problem::outcome_unknown()
        })?
        .unwrap_or(request);
    let document = Accepted {
        request,
        account_id: account,
        content,
        status: format!("/v1/forget/{request}"),
        position: answer.position,
    };
    // Strings and numbers always serialise.
    let mut response = Response::new(Body::from(serde_json::to_vec(&document).unwrap_or_default()));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(place) = HeaderValue::from_str(&document.status) {
        headers.insert(LOCATION, place);
    }
    Ok(response)
}

fn command(account_id: Uuid, ForgetBody { content, reason }: ForgetBody) -> Result<PersonCommand, Rejection> {
    let content = match content.as_deref() {
        None => Contents::Erase,
        Some(word) => Contents::parse(word)
            .ok_or_else(|| Rejection::invalid("/content", "unknown", "It is `erase` or `keep`."))?,
    };
    let reason = reason.map(Reason::parse).transpose()?;
    Ok(PersonCommand::RequestForget(RequestForget { account_id, content, reason }))
}
