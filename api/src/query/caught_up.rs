use std::{pin::pin, task::Poll, time::Duration};

use axum::http::HeaderMap;
use eventstore::subscription::Waited;
use futures::poll;
use kernel::Position;
use sqlx::PgPool;

use super::run::{put_down, take_up};
use crate::{
    app::App,
    http::{min_position, preferred_wait},
    problem::Problem,
};

/// How long a query waits for its read models, all together; who prefers to wait less, says so.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a query may begin with.
pub struct Caught {
    /// The position that was asked for.
    pub wanted: Option<Position>,
    /// Where every read model of the answer is there: a replica, or the primary.
    pub reads: PgPool,
}

fn patience(headers: &HeaderMap) -> Duration {
    preferred_wait(headers).map_or(PATIENCE, |seconds| Duration::from_secs(seconds).min(PATIENCE))
}

/// Waits until every read model of an answer has seen `Min-Position`; without the header at once.
///
/// # Errors
/// 400 malformed, 503 `not-caught-up`, 409 `position-lost`, 503 `overload`.
pub async fn caught_up(app: &App, headers: &HeaderMap, read_models: &[&str]) -> Result<Caught, Problem> {
    let Some(wanted) = min_position(headers)? else {
        return Ok(Caught { wanted: None, reads: app.reads.any().clone() });
    };
    let mut wait = pin!(app.reads.at(read_models, wanted, patience(headers)));
    // Most are there already and keep their turn.
    let waited = match poll!(&mut wait) {
        Poll::Ready(waited) => waited,
        Poll::Pending => {
            let lane = put_down();
            let waited = wait.await;
            if waited.is_ok() {
                take_up(app, lane).await?;
            }
            waited
        }
    };
    match waited {
        Ok(reads) => Ok(Caught { wanted: Some(wanted), reads: reads.clone() }),
        Err(Waited::Lost) => Err(Problem::position_lost()),
        Err(Waited::TooManyWaiters) => Err(Problem::overload()),
        Err(Waited::TimedOut | Waited::Reached(_)) => Err(Problem::not_caught_up()),
    }
}
