use axum::{
    extract::{Request, State},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
        request::Parts,
    },
    response::Response,
};
use eventstore::{
    audit::{note::SignedNote, store::last_seal},
    log::AuditFilter,
};
use kernel::Position;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    events::{AuditEventDocument, FILTERS, filter, found},
    reader::Reader,
};
use crate::{
    app::{App, Shared},
    http::{Lane, Params},
    problem::Problem,
    query::run,
};

/// The last line: what the lines before it are, and a signature over that.
#[derive(Serialize)]
struct Trailer {
    trailer: Summary,
    /// A signed note; its text repeats filter, count, positions and hash.
    note: String,
    /// The newest checkpoint when the export was made.
    checkpoint: Option<String>,
}

#[derive(Serialize)]
struct Summary {
    /// The query, as it was sent.
    filter: String,
    count: usize,
    first: Option<Position>,
    last: Option<Position>,
    /// Over all bytes before this line, hex.
    sha256: String,
    /// Ask again with `after` for what comes next; `null`: this was all.
    next_after: Option<Position>,
}

/// `GET /v1/audit/export?after=&limit=&…`: the filters of `/v1/audit/events`, as lines of JSON.
pub async fn export(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, exported(&app, &parts)).await
}

async fn exported(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &FILTERS)?;
    let limit = params.number("limit", 1..=1000)?.unwrap_or(1000);
    let filter = AuditFilter { limit, ..filter(&params)? };
    let reader = Reader::of(identity, parts)?;
    let query = parts.uri.query().unwrap_or_default();
    // Without a key nothing can be signed here: said before anything is read.
    let signers = app.signers.load(app.reads.primary()).await?;
    reader.reads(app, "audit.export", query).await?;
    let page = found(app, &filter).await?;
    let mut body = Vec::new();
    let (first, last) = (page.events.first().map(|e| e.position), page.events.last().map(|e| e.position));
    let count = page.events.len();
    for event in page.events {
        line(&mut body, &AuditEventDocument::from(event))?;
    }
    let summary = Summary {
        filter: query.to_owned(),
        count,
        first,
        last,
        sha256: hex::encode(Sha256::digest(&body)),
        next_after: page.has_more.then_some(page.scanned_to),
    };
    let span = format!("{}-{}", first.unwrap_or(0), last.unwrap_or(0));
    let text = format!(
        "{} export\nfilter {query}\nevents {count}\npositions {span}\nsha256 {}\n",
        signers.origin, summary.sha256
    );
    let mut note = SignedNote::unsigned(text);
    signers.keys.iter().for_each(|signer| signer.sign(&mut note));
    let checkpoint = last_seal(app.reads.primary()).await?.map(|seal| seal.note);
    line(&mut body, &Trailer { trailer: summary, note: note.to_string(), checkpoint })?;
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn line(body: &mut Vec<u8>, document: &impl Serialize) -> Result<(), Problem> {
    serde_json::to_writer(&mut *body, document).map_err(|error| {
        tracing::error!(kind = ?error.classify(), "a line of an export could not be written");
        Problem::internal()
    })?;
    body.push(b'\n');
    Ok(())
}
