use std::{future::Future, time::Duration};

use axum::response::Response;
use tokio::time::timeout;

use crate::{app::App, http::Lane, problem::Problem};

/// How long a query may take, the wait for `Min-Position` included.
const QUERY_TIME: Duration = Duration::from_secs(5);

/// Runs a query in its lane and within its time.
///
/// # Errors
/// The query's own, or 503 `overload`.
pub async fn run(
    app: &App,
    lane: Lane,
    query: impl Future<Output = Result<Response, Problem>>,
) -> Result<Response, Problem> {
    let _turn = app.lanes.turn(lane).await?;
    timeout(QUERY_TIME, query).await.unwrap_or_else(|_| Err(Problem::overload()))
}
