use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use kernel::Position;
use projections::search::{Hit, Near, SearchCursor, SearchEngine, SearchPage, SearchQuery, Suggestions};
use serde::Serialize;

use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Asked, Caching, Caught, ListDocument, answer, caught_up, run, sentence},
    weave::nodes::{is_stale, refuse_stale},
};

/// Whose position `Min-Position` waits for.
const MODEL: &str = "node_search";
/// Characters of a query.
const LONGEST: usize = 512;

/// `GET /v1/search?q=&kind=&tag=&near=&limit=&cursor=`
pub async fn search(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, found(&app, &parts)).await
}

#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    list: ListDocument<Hit>,
    engine: &'static str,
    engine_position: Position,
}

async fn found(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["q", "kind", "tag", "near", "limit", "cursor"])?;
    let near = params.get("near").map(Near::parse).transpose();
    let asked = Asked::of(parts, &params);
    let limit = params.number("limit", 1..=100)?.unwrap_or(20);
    let query = SearchQuery {
        text: text(&params)?.to_owned(),
        kinds: params.set("kind")?,
        tags: params.set("tag")?,
        near: near.map_err(|error| Problem::bad_parameter("near", sentence(&error)))?,
        viewer: identity.as_ref().map(|identity| identity.account),
        limit: u16::try_from(limit).map_err(|_| Problem::internal())?,
        cursor: asked.cursor(&params, SearchCursor::parse)?,
        at_least: 0,
    };
    let Caught { wanted, reads } = caught_up(app, &parts.headers, &[MODEL]).await?;
    let query = SearchQuery { at_least: wanted.unwrap_or_default(), ..query };
    let SearchPage { hits, engine, stale: refused } = app.search.search(&query).await?;
    // Whether the viewer may find private nodes is a row of the same read model.
    let rows = hits.items.iter().map(|hit| hit.node.id).chain(query.viewer);
    let stale = is_stale(&reads, MODEL, rows.map(|id| id.to_string()).collect()).await?;
    refuse_stale(stale, wanted)?;
    let position = hits.position;
    let list = ListDocument::of(hits, asked, stale || refused);
    let document = Found { list, engine, engine_position: position };
    // The same position means other nodes for another viewer: nobody keeps it for anybody.
    answer(&parts.headers, &document, EntityTag::List(position), Caching::Never)
}

/// `GET /v1/search/suggest?q=&limit=`
pub async fn suggest(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, suggested(&app, &parts)).await
}

#[derive(Serialize)]
struct Suggested {
    items: Vec<Suggestion>,
    position: Position,
    engine: &'static str,
    engine_position: Position,
}

#[derive(Serialize)]
struct Suggestion {
    title: String,
}

async fn suggested(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["q", "limit"])?;
    let prefix = text(&params)?;
    let limit = params.number("limit", 1..=10)?.unwrap_or(10);
    let limit = u8::try_from(limit).map_err(|_| Problem::internal())?;
    let Caught { wanted, .. } = caught_up(app, &parts.headers, &[MODEL]).await?;
    let Suggestions { titles, engine, position } =
        app.search.suggest(prefix, limit, wanted.unwrap_or_default()).await?;
    let items = titles.into_iter().map(|title| Suggestion { title }).collect();
    let document = Suggested { items, position, engine, engine_position: position };
    answer(&parts.headers, &document, EntityTag::List(position), Caching::Public)
}

fn text<'p>(params: &'p Params<'_>) -> Result<&'p str, Problem> {
    let text = params.get("q").unwrap_or_default();
    if (1..=LONGEST).contains(&text.chars().count()) && !text.contains('\0') {
        Ok(text)
    } else {
        Err(Problem::bad_parameter("q", "Write 1 to 512 characters to look for, none of them NUL."))
    }
}
