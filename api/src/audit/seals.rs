use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
        request::Parts,
    },
    response::Response,
};
use chrono::{DateTime, Utc};
use eventstore::audit::{
    AuditError,
    store::{audit_keys, last_seal, load_tile},
    tree::{TILE, TilePath},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::reader::Reader;
use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, answer, run},
};

/// `GET /v1/audit/checkpoint`: the newest signed note. Hashes only, so nobody writes down who
/// reads it.
pub async fn checkpoint(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, newest(&app, &parts)).await
}

async fn newest(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    Params::parse(parts.uri.query(), &[])?;
    Reader::of(identity, parts)?;
    let seal =
        last_seal(app.reads.primary()).await?.ok_or_else(|| Problem::not_found("Nothing was signed yet."))?;
    Ok(bytes(seal.note, "text/plain; charset=utf-8", "no-cache"))
}

/// `GET /v1/audit/tile/{level}/{index}`, named as C2SP's tlog-tiles does: 32 bytes per hash.
pub async fn tile(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, hashes(&app, &parts)).await
}

async fn hashes(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    Params::parse(parts.uri.query(), &[])?;
    let path = parts.uri.path().strip_prefix("/v1/audit/tile/").unwrap_or_default();
    let path: TilePath = path.parse().map_err(|()| {
        Problem::bad_parameter("tile", "Write level/index as tlog-tiles does: 0/x001/234, or 0/005.p/17.")
    })?;
    Reader::of(identity, parts)?;
    let missing = || Problem::not_found("The tree has no such tile yet.");
    let sealed = last_seal(app.reads.primary()).await?.map_or(0, |seal| seal.size.cast_unsigned());
    if path.tile.width(sealed) < path.width {
        return Err(missing());
    }
    let mut connection = app.reads.primary().acquire().await.map_err(eventstore::StoreError::from)?;
    let hashes = load_tile(&mut connection, path.tile, path.width).await.map_err(damaged)?;
    // A full tile never changes; neither does the beginning of one.
    let caching =
        if path.width == TILE { "private, max-age=31536000, immutable" } else { "private, max-age=3600" };
    Ok(bytes(hashes.concat(), "application/octet-stream", caching))
}

/// A key of the log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditKey)]
pub struct AuditKeyDocument {
    /// As signed notes name it: `<name>+<id>+<base64>`.
    key: String,
    /// Whether it signs now.
    signs: bool,
    announced_at: DateTime<Utc>,
    /// `null` until it is changed.
    signs_until: Option<DateTime<Utc>>,
}

/// Every key there was.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditKeys)]
pub struct AuditKeysDocument {
    items: Vec<AuditKeyDocument>,
}

/// `GET /v1/audit/keys`
pub async fn keys(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, listed(&app, &parts)).await
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    Params::parse(parts.uri.query(), &[])?;
    Reader::of(identity, parts)?;
    let rows = audit_keys(app.reads.primary()).await.map_err(damaged)?;
    let items = rows.into_iter().map(|row| AuditKeyDocument {
        key: row.key.to_string(),
        signs: row.signs_now,
        announced_at: row.announced_at,
        signs_until: row.signs_until,
    });
    let document = AuditKeysDocument { items: items.collect() };
    let tag = EntityTag::List(document.items.len() as i64);
    answer(&parts.headers, &document, tag, Caching::Never)
}

fn bytes(body: impl Into<Body>, media: &'static str, caching: &'static str) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

/// What is stored contradicts itself: the log of the process says where, `replay audit verify` too.
pub(super) fn damaged(error: AuditError) -> Problem {
    match error {
        AuditError::Store(error) => error.into(),
        AuditError::NotSealed(_) => Problem::not_found("The event is not sealed yet."),
        error => {
            tracing::error!(%error, "the audit tree could not be read");
            Problem::internal()
        }
    }
}
