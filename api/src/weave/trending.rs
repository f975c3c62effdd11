//! `/v1/trending`: the nodes with the most acts in a window.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use kernel::Position;
use projections::{
    cache::{CacheError, Made, TRENDING, document},
    weave::hot_views::{Sources, Window, trending},
};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::query::sentence;
use crate::{
    app::{Hot, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, Caught, caught_up, run, written},
};

/// Titles come from here.
const PAGE: &str = "node_page";
/// How long an answer waits for Redis to reach `Min-Position`, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(25);

/// Nodes of an answer that names no number.
const LIMIT: i64 = 20;

/// `GET /v1/trending?window=&limit=`
pub async fn list(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, listed(&app, &parts)).await
}

async fn listed(app: &Shared, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["window", "limit"])?;
    let window: Window = params
        .get("window")
        .unwrap_or("24h")
        .parse()
        .map_err(|error| Problem::bad_parameter("window", sentence(&error)))?;
    let limit = params.number("limit", 1..=100)?.unwrap_or(LIMIT);
    let limit = usize::try_from(limit).map_err(|_| Problem::internal())?;
    let Caught { wanted, reads } = caught_up(app, &parts.headers, &[PAGE]).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let made = kept(app, (window, limit), wanted, reads.clone()).await?;
        if wanted.is_none_or(|wanted| made.position >= wanted) {
            // Hours pass and threads fade without an event.
            let tag = EntityTag::ListAt(made.position, made.moment);
            return Ok(written(&parts.headers, made.body, tag, Caching::Public));
        }
        if Instant::now() >= deadline {
            return Err(Problem::not_caught_up());
        }
        sleep(LOOK).await;
    }
}

/// The cached view of this hour.
async fn kept(
    app: &Shared,
    (window, limit): (Window, usize),
    wanted: Option<Position>,
    reads: PgPool,
) -> Result<Made, CacheError> {
    let (now, app_here) = (app.clock.now(), Arc::clone(app));
    let load = async move {
        let Hot { redis, recent, .. } = &app_here.hot;
        let sources = Sources { redis: redis.as_ref(), recent, reads: &reads };
        let found = trending(sources, window, now, limit).await?;
        let moment = now.timestamp() / 60;
        // What was counted from the newest events alone is a stopgap until Redis is back.
        Ok(Made { position: found.position, moment, body: document(&found)?, keep: !found.partial })
    };
    let key = format!("{},{limit},{}", window.hours(), Window::hour(now));
    app.cache.get(&TRENDING, key, wanted, load).await
}

/// So that the first who asks need not wait.
pub async fn warm(app: &Shared) -> Result<(), CacheError> {
    let limit = usize::try_from(LIMIT).unwrap_or(1);
    for window in [Window::Day, Window::Week, Window::Month] {
        kept(app, (window, limit), None, app.reads.any().clone()).await?;
    }
    Ok(())
}
