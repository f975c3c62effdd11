use std::time::Duration;

use axum::http::HeaderMap;
use eventstore::subscription::Waited;
use kernel::Position;

use crate::{app::App, http::min_position, problem::Problem};

/// How long a query waits for its read model.
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
    for read_model in read_models {
        match app.positions.wait_for(read_model, wanted, PATIENCE).await {
            Waited::Reached(_) => {}
            Waited::TimedOut => return Err(Problem::not_caught_up()),
            Waited::Lost => return Err(Problem::position_lost()),
            Waited::TooManyWaiters => return Err(Problem::overload()),
        }
    }
    Ok(Some(wanted))
}
