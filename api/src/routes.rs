use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header::CONTENT_TYPE},
    response::Response,
    routing::{MethodRouter, get, post},
};

use crate::{
    app::Shared,
    audit,
    command::Collections,
    docs, health,
    http::{Compressible, Params, compression},
    lifecycle, live, metrics,
    problem::Problem,
    settings::{Role, Roles},
    weave, ws,
};

/// Every route of a process with these roles.
#[must_use]
pub fn all_routes(collections: &Collections, roles: &Roles) -> Routes {
    let mut routes = Routes::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi))
        .route("/docs", get(docs::page))
        .route("/docs/page.js", get(docs::script))
        .route("/docs/page.css", get(docs::style));
    if roles.has(Role::Command) {
        routes = routes.commands(collections).route("/v1/accounts/{id}/forget", post(lifecycle::forget));
    }
    if roles.has(Role::Query) {
        routes = routes
            .route("/v1/nodes", get(weave::nodes::list))
            .route("/v1/nodes/{id}", get(weave::nodes::one))
            .route("/v1/accounts", get(weave::accounts::list))
            .route("/v1/accounts/{id}", get(weave::accounts::one))
            .route("/v1/accounts/{id}/export", get(lifecycle::export))
            .route("/v1/forget/{request}", get(lifecycle::status))
            .route("/v1/conversations/{id}/messages", get(weave::conversations::messages))
            .route("/v1/threads", get(weave::threads::list))
            .route("/v1/activity", get(weave::activity::list))
            .route("/v1/search", get(weave::search::search))
            .route("/v1/search/suggest", get(weave::search::suggest))
            .route("/v1/live", get(live::live))
            .route("/v1/ws", get(ws::ws))
            .route("/v1/stats", get(weave::statistics::stats))
            .route("/v1/trending", get(weave::trending::list))
            .route("/v1/audit/events", get(audit::events))
            .route("/v1/audit/events/{id}/proof", get(audit::proof))
            .route("/v1/audit/trace/{correlation}", get(audit::trace))
            .route("/v1/audit/aggregates/{type}/{id}", get(audit::aggregate))
            .route("/v1/audit/export", get(audit::export))
            .route("/v1/audit/access", get(audit::access))
            .route("/v1/audit/checkpoint", get(audit::checkpoint))
            .route("/v1/audit/keys", get(audit::keys))
            .route("/v1/audit/tile/{*path}", get(audit::tile));
    }
    routes
}

async fn openapi(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), &[])?;
    let mut response = Response::new(app.openapi.clone().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.extensions_mut().insert(Compressible);
    Ok(response)
}

/// The routes of a process, and their templates for labels.
pub struct Routes {
    router: Router<Shared>,
    templates: matchit::Router<&'static str>,
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), templates: matchit::Router::new() }
    }

    /// Adds a route. The template becomes a label, so it lives as long as the process.
    #[must_use]
    pub fn route(mut self, template: impl Into<String>, methods: MethodRouter<Shared>) -> Self {
        let template: &'static str = Box::leak(template.into().into_boxed_str());
        // The router below panics on a conflicting template; the label's copy need not.
        let _ = self.templates.insert(template, template);
        self.router = self.router.route(template, methods);
        self
    }

    /// Adds `POST /v1/{collection}/{id}/{command}` for every command of the table.
    #[must_use]
    pub fn commands(self, collections: &Collections) -> Self {
        collections.iter().fold(self, |routes, collection| {
            collection.commands.iter().fold(routes, |routes, command| {
                let template = format!("/v1/{}/{{id}}/{}", collection.name, command.word);
                routes.route(template, (command.route)())
            })
        })
    }

    pub fn finish(self, app: Shared) -> (Router, matchit::Router<&'static str>) {
        (self.router.layer(compression()).with_state(app), self.templates)
    }
}
