use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use projections::{
    PositionCursor,
    weave::activity::{ActivityFilter, ActivityKey, recent_activity},
};

use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Asked, Caching, Caught, ListDocument, answer, caught_up, id, limit, run},
    weave::nodes::{is_stale, refuse_stale},
};

const ACTIVITY: &str = "activity";
/// Titles of accounts come from here.
const ACCOUNTS: &str = "account_page";

/// `GET /v1/activity?account=&node=&limit=&cursor=`
pub async fn list(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, listed(&app, &parts)).await
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["account", "node", "limit", "cursor"])?;
    let filter = ActivityFilter { account: id(&params, "account")?, node: id(&params, "node")? };
    let limit = limit(&params)?;
    let asked = Asked::of(parts, &params);
    let cursor = asked.cursor(&params, PositionCursor::parse)?;
    let Caught { wanted, reads } = caught_up(app, &parts.headers, &[ACTIVITY, ACCOUNTS]).await?;
    let page = recent_activity(&reads, &app.sealer, filter, limit, cursor).await?;
    let keys = page.items.iter().flat_map(|item| {
        let node = match item.key {
            ActivityKey::Entry { conversation, .. } => Some(ActivityKey::Node { conversation }),
            ActivityKey::Node { .. } => None,
        };
        [Some(item.key), node].into_iter().flatten()
    });
    let stale = is_stale(&reads, ACTIVITY, keys.map(|key| key.to_string()).collect()).await?;
    refuse_stale(stale, wanted)?;
    let tag = EntityTag::List(page.position);
    // Titles of people are personal.
    answer(&parts.headers, &ListDocument::of(page, asked, stale), tag, Caching::Never)
}
