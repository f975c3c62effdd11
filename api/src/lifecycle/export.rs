use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use lifecycle::LifecycleError;

use crate::{
    app::{App, Shared},
    command::path_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, answer, run},
};

/// `GET /v1/accounts/{id}/export`: everything about a person, for that person only. An operator
/// makes one with `replay export`.
pub async fn export(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, shown(&app, &parts)).await
}

async fn shown(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    Params::parse(parts.uri.query(), &[])?;
    let id = path_id(parts, 3, "id")?;
    if identity.account != id {
        return Err(Problem::forbidden_role("Everything about a person is for that person only."));
    }
    let exported =
        lifecycle::export::export(app.log.pg(), &app.sealer, &app.certificate_key, id, app.clock.now()).await;
    let document = exported.map_err(|error| match error {
        LifecycleError::Other(_) => Problem::not_found("There is no such account."),
        error => {
            tracing::error!(%error, "a person's export failed");
            Problem::unavailable()
        }
    })?;
    let position = document["manifest"]["position"].as_i64().unwrap_or_default();
    answer(&parts.headers, &document, EntityTag::Read(position, position), Caching::Never)
}
