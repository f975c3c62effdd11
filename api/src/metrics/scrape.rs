use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
    response::Response,
};
use prometheus::{Encoder, Registry, TextEncoder};

use super::gauges;
use crate::{
    app::Shared,
    http::{Lane, Params},
    problem::Problem,
    query::run,
};

/// Marks a request whose connection comes from this machine.
#[derive(Debug, Clone, Copy)]
pub struct FromHere;

/// `GET /metrics`: for this machine, and for operators from elsewhere.
pub async fn metrics(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let here = request.extensions().get::<FromHere>().is_some() && !is_forwarded(request.headers());
    if !here {
        let identity = app.verifier.identity(request.headers())?;
        if !identity.roles.operator {
            return Err(Problem::forbidden_role("Only an operator reads metrics from elsewhere."));
        }
    }
    Params::parse(request.uri().query(), &[])?;
    run(&app, Lane::Operations, async {
        let now = Registry::new();
        gauges::collect(&app, &now).await.map_err(|error| unexpected(&error))?;
        let mut families = app.registry.gather();
        families.extend(now.gather());
        let mut text = Vec::with_capacity(16 * 1024);
        let encoder = TextEncoder::new();
        encoder.encode(&families, &mut text).map_err(|error| unexpected(&error))?;
        let mut response = Response::new(text.into());
        let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, media);
        Ok(response)
    })
    .await
}

/// A proxy on this machine brings in strangers.
fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

fn unexpected(error: &prometheus::Error) -> Problem {
    tracing::error!(%error, "the metrics could not be collected");
    Problem::internal()
}
