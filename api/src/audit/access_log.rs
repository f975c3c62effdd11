use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use chrono::{DateTime, Utc};
use eventstore::audit::{AccessEntry, access_entries};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader::Reader;
use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, PageDocument, answer, id, run},
};

/// Who read what, when and why.
#[derive(Serialize, ToSchema)]
#[schema(as = AccessEntry)]
pub struct AccessDocument {
    number: i64,
    at: DateTime<Utc>,
    /// An account's id, or `operator:` and a login name.
    who: String,
    #[schema(example = "account.contact")]
    action: String,
    /// The person it was about; `null` where it was the log.
    subject: Option<Uuid>,
    /// Ids, filters and positions.
    what: String,
    /// In the reader's words.
    why: String,
    /// Over this entry and the one before, hex.
    hash: String,
}

impl From<AccessEntry> for AccessDocument {
    fn from(entry: AccessEntry) -> Self {
        Self {
            number: entry.number,
            at: entry.at,
            who: entry.who,
            action: entry.action,
            subject: entry.subject,
            what: entry.what,
            why: entry.why,
            hash: hex::encode(entry.hash),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccessList)]
pub struct AccessListDocument {
    items: Vec<AccessDocument>,
    page: PageDocument,
}

/// `GET /v1/audit/access?subject=&after=&limit=`
pub async fn access(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, listed(&app, &parts)).await
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["subject", "after", "limit"])?;
    let subject = id(&params, "subject")?;
    let after = params.number("after", 0..=i64::MAX / 2)?.unwrap_or(0);
    let limit = params.number("limit", 1..=1000)?.unwrap_or(100);
    let reader = Reader::of(identity, parts)?;
    reader.reads_about(app, "audit.access", subject, &format!("after={after} limit={limit}")).await?;
    // Not a replica: the entry about this very request is in it.
    let mut entries = access_entries(app.log.pg(), subject, after, limit + 1).await?;
    let has_more = entries.len() as i64 > limit;
    entries.truncate(usize::try_from(limit).unwrap_or_default());
    let next_cursor = entries.last().filter(|_| has_more).map(|last| last.number.to_string());
    let tag = EntityTag::List(entries.last().map_or(0, |last| last.number));
    let items = entries.into_iter().map(AccessDocument::from).collect();
    let document = AccessListDocument { items, page: PageDocument { next_cursor, has_more } };
    answer(&parts.headers, &document, tag, Caching::Never)
}
