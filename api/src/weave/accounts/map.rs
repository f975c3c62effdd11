use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use projections::{
    MapCursor,
    geo::BBox,
    weave::account_map::{AccountOnMap, SOURCE, accounts_in_bbox},
};

use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Asked, Caching, Caught, ListDocument, answer, caught_up, run, sentence},
    weave::nodes::{is_stale, refuse_stale},
};

/// The grid is a moment behind the read model that it is made from.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /v1/accounts?bbox=&limit=&cursor=`
pub async fn list(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, listed(&app, &parts)).await
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["bbox", "limit", "cursor"])?;
    let bbox = BBox::parse(params.get("bbox").unwrap_or("-180,-90,180,90"))
        .map_err(|error| Problem::bad_parameter("bbox", sentence(&error)))?;
    let limit = params.number("limit", 1..=1000)?.unwrap_or(100);
    let limit = u16::try_from(limit).map_err(|_| Problem::internal())?;
    let asked = Asked::of(parts, &params);
    let cursor = asked.cursor(&params, MapCursor::parse)?;
    let map = app.account_map.as_ref().ok_or_else(Problem::unavailable)?;
    let Caught { wanted, .. } = caught_up(app, &parts.headers, &[SOURCE]).await?;
    if let Some(wanted) = wanted
        && !map.wait_for(wanted, PATIENCE).await
    {
        return Err(Problem::not_caught_up());
    }
    let page = accounts_in_bbox(app.reads.primary(), &app.sealer, map, bbox, limit, cursor).await?;
    let ids = page.items.iter().map(|account| account.id.to_string()).collect();
    let stale = is_stale(app.reads.primary(), SOURCE, ids).await?;
    refuse_stale(stale, wanted)?;
    // Titles and places are personal; an erasure changes them without a position.
    let tag = EntityTag::List(page.position);
    let document = ListDocument::of(page, asked, stale);
    answer::<ListDocument<AccountOnMap>>(&parts.headers, &document, tag, Caching::Never)
}
