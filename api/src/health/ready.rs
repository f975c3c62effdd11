use axum::{
    Json,
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use kernel::Position;
use serde::Serialize;
use utoipa::ToSchema;

use super::checks::{self, timed};
use crate::{
    app::Shared,
    http::{Lane, Params},
    problem::Problem,
};

/// How a part or the whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Healthy,
    /// Works, but somebody should look.
    Degraded,
    Down,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthDocument {
    status: Status,
    services: Vec<ServiceDocument>,
    /// The end of the log.
    position: Position,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthService)]
pub struct ServiceDocument {
    #[schema(example = "postgres")]
    pub name: &'static str,
    pub status: Status,
    pub detail: String,
    /// How long the check took.
    pub ms: u64,
}

/// `GET /health/live`: the process answers. Asks nobody: a restart does not help when the
/// database is away.
pub async fn live(request: Request) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), &[])?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(serde_json::json!({"status": "healthy"}))).into_response())
}

/// `GET /health/ready`: everything this process needs, each asked at once; 503 when it is down.
pub async fn ready(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), &[])?;
    let _turn = app.lanes.turn(Lane::Operations).await?;
    let (postgres, keys, partitions, projections, search, nats, redis, position) = tokio::join!(
        timed("postgres", Status::Down, checks::postgres(&app)),
        timed("keys", Status::Down, checks::key_store(&app)),
        timed("partitions", Status::Degraded, checks::partitions(&app)),
        timed("projections", Status::Degraded, checks::projections(&app)),
        timed("search", Status::Degraded, checks::search(&app)),
        configured("nats", checks::nats(&app)),
        configured("redis", checks::redis(&app)),
        checks::head(&app),
    );
    let relay = configured("relay", async { checks::relay(&app) }).await;
    let mut services = vec![postgres, keys, partitions, projections, search];
    let hot = configured("hot_views", async { checks::hot_views(&app) }).await;
    let map = configured("account_map", async { checks::account_map(&app) }).await;
    services.extend([nats, relay, redis, hot, map].into_iter().flatten());
    let status = services.iter().map(|service| service.status).max().unwrap_or(Status::Healthy);
    let mut response = Json(HealthDocument { status, services, position }).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == Status::Down {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

/// A check of something this process may not have.
async fn configured(
    name: &'static str,
    check: impl Future<Output = Option<checks::Outcome>>,
) -> Option<ServiceDocument> {
    let mut present = true;
    let service = timed(name, Status::Degraded, async {
        match check.await {
            Some(outcome) => outcome,
            None => {
                present = false;
                Ok(String::new())
            }
        }
    })
    .await;
    present.then_some(service)
}
