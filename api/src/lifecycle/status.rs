use axum::{
    extract::{Request, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use chrono::{DateTime, Utc};
use domain::platform::person::Contents;
use lifecycle::forget::{StepDone, find_request};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::watch::{wants_events, watched};
use crate::{
    app::{App, Shared},
    command::path_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, answer, run},
};

/// How far a request is.
#[derive(Serialize)]
pub struct ForgetStatus {
    request: Uuid,
    /// requested, held, running, failing, provisional or final.
    state: String,
    /// Nothing of the person can be read, and that was checked.
    erased: bool,
    content: Contents,
    requested_at: DateTime<Utc>,
    /// Why it does not go on; for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    steps: Vec<StepDone>,
    /// The signed certificate, the final one once there is one.
    certificate: Option<Box<RawValue>>,
}

impl ForgetStatus {
    /// Nothing will change any more.
    pub(super) fn is_final(&self) -> bool {
        self.state == "final"
    }
}

/// `GET /v1/forget/{request}`: for the person and for operators; with `Accept: text/event-stream` every
/// change of it until it is done.
pub async fn status(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let response = run(&app, Lane::Queries, shown(&app, &parts)).await?;
    if response.status() == StatusCode::OK && wants_events(&parts.headers) {
        return watched(app, &parts);
    }
    Ok(response)
}

/// Of everything that is shown: also what is waited for changes, without any step.
fn digest(document: &ForgetStatus) -> i64 {
    // Strings and numbers always serialise.
    let bytes = serde_json::to_vec(document).unwrap_or_default();
    let [a, b, c, d, e, f, ..] = <[u8; 32]>::from(Sha256::digest(&bytes));
    i64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

async fn shown(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let document = standing(app, parts).await?;
    // It has no version of its own: the whole answer names itself.
    let tag = EntityTag::Read(document.steps.len() as i64, digest(&document));
    answer(&parts.headers, &document, tag, Caching::Never)
}

/// How far it is, for whom it concerns.
pub(super) async fn standing(app: &App, parts: &Parts) -> Result<ForgetStatus, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    Params::parse(parts.uri.query(), &[])?;
    let id = path_id(parts, 3, "request")?;
    let operates = identity.roles.operator || identity.roles.admin;
    let found = find_request(app.log.pg(), id).await.map_err(|error| {
        tracing::error!(%error, "a request to forget cannot be looked up");
        Problem::unavailable()
    })?;
    // To everybody else there is no such request: that somebody was forgotten is their business.
    let found = found.filter(|found| operates || found.account == identity.account);
    let found = found.ok_or_else(|| Problem::not_found("There is no such request."))?;
    let erased = found.erased();
    let certificate = found.final_certificate.or(found.provisional);
    Ok(ForgetStatus {
        request: found.request,
        state: found.state,
        erased,
        content: found.content,
        requested_at: found.requested_at,
        problem: found.problem.filter(|_| operates),
        certificate: certificate.and_then(|text| RawValue::from_string(text).ok()),
        steps: found.steps,
    })
}
