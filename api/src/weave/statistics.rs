//! `/v1/stats`: how much there is, and how many take part.

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use chrono::Datelike;
use projections::weave::statistics::totals;

use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, answer, caught_up, run},
};

const STATISTICS: &str = "statistics";

/// `GET /v1/stats`
pub async fn stats(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, counted(&app, &parts)).await
}

async fn counted(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    Params::parse(parts.uri.query(), &[])?;
    caught_up(app, &parts.headers, &[STATISTICS]).await?;
    let totals = totals(&app.reads, app.clock.now()).await?;
    // At midnight the same position gets another answer.
    let tag = EntityTag::ListAt(totals.position, totals.today.num_days_from_ce().into());
    answer(&parts.headers, &totals, tag, Caching::Revalidate)
}
