use std::{cell::RefCell, future::Future, time::Duration};

use axum::response::Response;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{app::App, http::Lane, problem::Problem};

/// How long a query may take, the wait for `Min-Position` included.
const QUERY_TIME: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// The turn of the query that runs.
    static TURN: (Lane, RefCell<Option<OwnedSemaphorePermit>>);
}

/// Runs a query in its lane and within its time.
///
/// # Errors
/// The query's own, or 503 `overload`.
pub async fn run(
    app: &App,
    lane: Lane,
    query: impl Future<Output = Result<Response, Problem>>,
) -> Result<Response, Problem> {
    let turn = app.lanes.turn(lane).await?;
    let query = timeout(QUERY_TIME, query);
    TURN.scope((lane, RefCell::new(Some(turn))), query).await.unwrap_or_else(|_| Err(Problem::overload()))
}

/// Puts the turn down: whoever waits for a position that does not come uses nothing, and must not
/// keep those out who would be answered at once.
pub(super) fn put_down() -> Option<Lane> {
    TURN.try_with(|(lane, turn)| turn.take().map(|_| *lane)).ok().flatten()
}

/// Takes a turn again, where one was put down.
///
/// # Errors
/// 503 `overload`
pub(super) async fn take_up(app: &App, lane: Option<Lane>) -> Result<(), Problem> {
    let Some(lane) = lane else { return Ok(()) };
    let again = app.lanes.turn(lane).await?;
    // The same query as before, so there is a place for it.
    let _ = TURN.try_with(|(_, turn)| turn.replace(Some(again)));
    Ok(())
}
