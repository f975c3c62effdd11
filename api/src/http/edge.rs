use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{
        HeaderValue, Method, StatusCode, Version,
        header::{ALLOW, CONTENT_TYPE, HOST},
        uri::Authority,
    },
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tower::Service;

use super::{
    body::oversized,
    guests::Waiting,
    leftover::{Leftover, SharedBody},
};
use crate::{
    metrics::{FromHere, HttpMetrics},
    problem::Problem,
};

/// A request that took this long gets a log line even when it went well.
const SLOW: Duration = Duration::from_secs(1);

/// What surrounds every request: the largest body, panics, problem documents for what the router
/// itself refuses, one log line, the request's metrics. One future, no layers.
pub struct Edge {
    router: Router,
    /// Path templates, for log lines and metric labels: bounded, whatever paths are asked for.
    templates: matchit::Router<&'static str>,
    metrics: Arc<HttpMetrics>,
}

/// Label of a path that no route has.
const UNKNOWN: &str = "unknown";
/// The one route that asks where its caller sits.
const METRICS: &str = "/metrics";

impl Edge {
    #[must_use]
    pub const fn new(
        router: Router,
        templates: matchit::Router<&'static str>,
        metrics: Arc<HttpMetrics>,
    ) -> Self {
        Self { router, templates, metrics }
    }

    /// Answers one request; `from_here` when its connection comes from this machine. Never fails:
    /// whatever happens is a response.
    pub async fn respond(&self, mut request: Request, from_here: bool) -> Response {
        let started = Instant::now();
        let _present = self.metrics.present();
        let method = method_label(request.method());
        let route = self.templates.at(request.uri().path()).map_or(UNKNOWN, |found| *found.value);
        if from_here && route == METRICS {
            request.extensions_mut().insert(FromHere);
        }
        let response = if !names_one_host(&request) {
            Problem::new(StatusCode::BAD_REQUEST, "malformed-request", "Send exactly one Host header.")
                .into_response()
        } else if route != UNKNOWN && oversized(request.headers()) {
            Problem::body_too_large().into_response()
        } else {
            self.routed(request, route).await
        };
        let took = started.elapsed();
        self.metrics.observe(route, method, response.status(), took);
        let (status, ms) = (response.status().as_u16(), took.as_micros() as f64 / 1000.0);
        // What went well is counted by the metrics; a line for each would cost a twentieth of the
        // processor time of a busy machine.
        if quiet(route) || !worth_a_line(response.status(), took) {
            tracing::debug!(method, route, status, ms, "request");
        } else {
            tracing::info!(method, route, status, ms, "request");
        }
        response
    }

    async fn routed(&self, request: Request, route: &'static str) -> Response {
        let mut router = self.router.clone();
        // What a panic leaves half done is the request's own; nothing shared is held across it.
        match AssertUnwindSafe(router.call(request)).catch_unwind().await {
            Ok(Ok(response)) => problem_if_bare(response),
            Ok(Err(never)) => match never {},
            Err(_) => {
                tracing::error!(route, "a handler panicked");
                Problem::internal().into_response()
            }
        }
    }
}

/// HTTP/1.1 asks for it: two readers of one connection must not take a request for two hosts.
fn names_one_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let authority =
                |host: &[u8]| Authority::try_from(host).is_ok_and(|host| !host.as_str().contains('@'));
            host.is_empty() || authority(host.as_bytes())
        }
        (None, _) => request.version() < Version::HTTP_11,
        _ => false,
    }
}

/// The router's own refusals have no body; here they get one.
fn problem_if_bare(response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() || response.headers().contains_key(CONTENT_TYPE) {
        return response;
    }
    let allow = || response.headers().get(ALLOW).cloned().unwrap_or(HeaderValue::from_static(""));
    match status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::method_not_allowed(allow()).into_response(),
        StatusCode::NOT_FOUND => Problem::unknown_route().into_response(),
        _ => response,
    }
}

/// What somebody may have to look into: refused, failed, or slow.
fn worth_a_line(status: StatusCode, took: Duration) -> bool {
    status.is_client_error() || status.is_server_error() || took >= SLOW
}

/// Probes come every second and say nothing.
fn quiet(route: &str) -> bool {
    route.starts_with("/health/") || route == METRICS
}

/// Methods are the client's words: only those we know become labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

/// The body of a request that hyper has read the head of.
pub(super) fn incoming(
    request: hyper::Request<hyper::body::Incoming>,
    waiting: Waiting,
) -> (Request, Leftover) {
    let (head, body) = request.into_parts();
    let (body, leftover) = SharedBody::new(body, waiting);
    (Request::from_parts(head, Body::new(body)), leftover)
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};

    use super::*;

    fn edge() -> Edge {
        let router = Router::new()
            .route("/things/{id}", get(async || "thing"))
            .route("/things/{id}/do", post(async || "done"))
            .route("/boom", get(async || -> &'static str { panic!("secret") }));
        let mut templates = matchit::Router::new();
        for template in ["/things/{id}", "/things/{id}/do", "/boom"] {
            templates.insert(template, template).unwrap();
        }
        Edge::new(router, templates, Arc::new(HttpMetrics::new(&prometheus::Registry::new()).unwrap()))
    }

    async fn ask(method: Method, path: &str) -> Response {
        let request =
            Request::builder().method(method).uri(path).header(HOST, "here").body(Body::empty()).unwrap();
        edge().respond(request, false).await
    }

    fn is_problem(response: &Response, status: u16) -> bool {
        response.status() == status && response.headers()[CONTENT_TYPE] == "application/problem+json"
    }

    #[tokio::test]
    async fn whatever_goes_wrong_is_a_problem_document() {
        assert_eq!(ask(Method::GET, "/things/7").await.status(), 200);
        assert!(is_problem(&ask(Method::GET, "/nothing").await, 404));
        assert!(is_problem(&ask(Method::GET, "/things/7/").await, 404));
        let wrong = ask(Method::DELETE, "/things/7").await;
        assert!(is_problem(&wrong, 405));
        assert_eq!(wrong.headers()[ALLOW], "GET,HEAD");
        assert!(is_problem(&ask(Method::GET, "/things/7/do").await, 405));
        assert!(is_problem(&ask(Method::GET, "/boom").await, 500));
    }

    #[tokio::test]
    async fn an_announced_body_that_is_too_large_is_refused_unread() {
        let request = Request::post("/things/7/do").header(HOST, "here").header("content-length", "300000");
        let response = edge().respond(request.body(Body::empty()).unwrap(), false).await;
        assert!(is_problem(&response, 413));
    }

    #[tokio::test]
    async fn a_request_names_exactly_one_host() {
        let status = async |version: Version, hosts: &[&str]| {
            let mut request = Request::get("/things/7").version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            edge().respond(request.body(Body::empty()).unwrap(), false).await
        };
        for fine in [&["localhost:8080"][..], &["[::1]:80"], &["example.org"], &[""]] {
            assert_eq!(status(Version::HTTP_11, fine).await.status(), 200, "{fine:?}");
        }
        assert_eq!(status(Version::HTTP_10, &[]).await.status(), 200);
        for bad in [&[][..], &["a", "b"], &["a", "a"], &["a b"], &["a@b"], &["a/b"]] {
            assert!(is_problem(&status(Version::HTTP_11, bad).await, 400), "{bad:?}");
        }
    }
}
