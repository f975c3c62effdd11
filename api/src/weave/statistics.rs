//! `/v1/stats`: how much there is, and how many take part.

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use chrono::Datelike;
use projections::{
    cache::{CacheError, Made, STATS, document},
    weave::statistics::totals,
};

use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, Caught, caught_up, run, written},
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
    let caught = caught_up(app, &parts.headers, &[STATISTICS]).await?;
    let made = kept(app, caught).await?;
    // At midnight the same position gets another answer.
    let tag = EntityTag::ListAt(made.position, made.moment);
    Ok(written(&parts.headers, made.body, tag, Caching::Public))
}

/// The cached view of today.
async fn kept(app: &App, Caught { wanted, reads }: Caught) -> Result<Made, CacheError> {
    let now = app.clock.now();
    let load = async move {
        let totals = totals(&reads, now).await?;
        let moment = totals.today.num_days_from_ce().into();
        Ok(Made { position: totals.position, moment, body: document(&totals)?, keep: true })
    };
    app.cache.get(&STATS, now.date_naive().to_string(), wanted, load).await
}

/// So that the first who asks need not wait.
pub async fn warm(app: &App) -> Result<(), CacheError> {
    kept(app, Caught { wanted: None, reads: app.reads.any().clone() }).await.map(|_| ())
}
