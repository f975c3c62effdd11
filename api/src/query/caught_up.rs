use std::{pin::pin, task::Poll, time::Duration};

use axum::http::HeaderMap;
use eventstore::subscription::Waited;
use futures::poll;
use kernel::Position;
use tokio::time::Instant;

use super::run::{put_down, take_up};
use crate::{app::App, http::min_position, problem::Problem};

/// How long a query waits for its read models, all together.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits until every read model of an answer has seen `Min-Position`; without the header at once.
/// Returns the position asked for.
///
/// # Errors
/// 400 malformed, 503 `not-caught-up`, 409 `position-lost`, 503 `overload`.
pub async fn caught_up(
    app: &App,
    headers: &HeaderMap,
    read_models: &[&str],
) -> Result<Option<Position>, Problem> {
    let Some(wanted) = min_position(headers)? else { return Ok(None) };
    let deadline = Instant::now() + PATIENCE;
    for read_model in read_models {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut wait = pin!(app.positions.wait_for(read_model, wanted, left));
        // Most are there already and keep their turn.
        let waited = match poll!(&mut wait) {
            Poll::Ready(waited) => waited,
            Poll::Pending => {
                let lane = put_down();
                let waited = wait.await;
                if let Waited::Reached(_) = waited {
                    take_up(app, lane).await?;
                }
                waited
            }
        };
        match waited {
            Waited::Reached(_) => {}
            Waited::TimedOut => return Err(Problem::not_caught_up()),
            Waited::Lost => return Err(Problem::position_lost()),
            Waited::TooManyWaiters => return Err(Problem::overload()),
        }
    }
    Ok(Some(wanted))
}
