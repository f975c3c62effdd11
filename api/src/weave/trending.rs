//! `/v1/trending`: the nodes with the most acts in a window.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use projections::weave::hot_views::{Sources, Window, trending};
use tokio::time::{Instant, sleep};

use crate::query::sentence;
use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, answer, caught_up, run},
};

/// Titles come from here.
const PAGE: &str = "node_page";
/// How long an answer waits for Redis to reach `Min-Position`, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(25);

/// `GET /v1/trending?window=&limit=`
pub async fn list(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, listed(&app, &parts)).await
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["window", "limit"])?;
    let window: Window = params
        .get("window")
        .unwrap_or("24h")
        .parse()
        .map_err(|error| Problem::bad_parameter("window", sentence(&error)))?;
    let limit = params.number("limit", 1..=100)?.unwrap_or(20);
    let limit = usize::try_from(limit).map_err(|_| Problem::internal())?;
    let wanted = caught_up(app, &parts.headers, &[PAGE]).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = app.clock.now();
        let sources = Sources { redis: app.hot.redis.as_ref(), recent: &app.hot.recent, reads: &app.reads };
        let found = trending(sources, window, now, limit).await?;
        if wanted.is_none_or(|wanted| found.position >= wanted) {
            // Hours pass and threads fade without an event.
            let tag = EntityTag::ListAt(found.position, now.timestamp() / 60);
            return answer(&parts.headers, &found, tag, Caching::Revalidate);
        }
        if Instant::now() >= deadline {
            return Err(Problem::not_caught_up());
        }
        sleep(LOOK).await;
    }
}
