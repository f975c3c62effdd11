use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use domain::weave::conversation::{ConversationKind, conversation_id};
use eventstore::subscription::{any_stale, stale_keys};
use kernel::Position;
use projections::{
    MapCursor,
    geo::BBox,
    weave::{
        conversation::ConversationKey,
        node::NodeShape,
        node_map::nodes_in_bbox,
        node_page::{NodeDetail, node_detail},
        thread::ThreadKey,
    },
};
use serde::Serialize;
use sqlx::PgPool;

use crate::{
    app::{App, Shared},
    command::path_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Asked, Caching, Caught, ListDocument, answer, caught_up, run, sentence},
};

pub(super) const MAP: &str = "node_map";
const PAGE: &str = "node_page";
/// A page's creator and history come from here.
const ACCOUNTS: &str = "account_page";
const CONVERSATIONS: &str = "conversation";
const THREADS: &str = "thread";

/// `GET /v1/nodes?bbox=&kind=&tag=&limit=&cursor=`, or `?bbox=&cluster=`
pub async fn list(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, listed(&app, &parts)).await
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["bbox", "kind", "tag", "limit", "cursor", "cluster"])?;
    let bbox = BBox::parse(params.get("bbox").unwrap_or("-180,-90,180,90"))
        .map_err(|error| Problem::bad_parameter("bbox", sentence(&error)))?;
    if params.get("cluster").is_some() {
        return super::clusters::clustered(app, parts, &params, bbox).await;
    }
    let (kinds, tags) = (params.set("kind")?, params.set("tag")?);
    let limit = params.number("limit", 1..=1000)?.unwrap_or(100);
    let limit = u16::try_from(limit).map_err(|_| Problem::internal())?;
    let asked = Asked::of(parts, &params);
    let cursor = asked.cursor(&params, MapCursor::parse)?;
    let Caught { wanted, reads } = caught_up(app, &parts.headers, &[MAP]).await?;
    let page = nodes_in_bbox(&reads, bbox, &kinds, &tags, limit, cursor).await?;
    let stale = is_stale(&reads, MAP, page.items.iter().map(|node| node.id.to_string()).collect()).await?;
    refuse_stale(stale, wanted)?;
    let tag = EntityTag::List(page.position);
    answer::<ListDocument<NodeShape>>(
        &parts.headers,
        &ListDocument::of(page, asked, stale),
        tag,
        Caching::Public,
    )
}

/// `GET /v1/nodes/{id}`
pub async fn one(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, shown(&app, &parts)).await
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    node: NodeDetail,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

async fn shown(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    Params::parse(parts.uri.query(), &[])?;
    let id = path_id(parts, 3, "id")?;
    let Caught { wanted, reads } =
        caught_up(app, &parts.headers, &[PAGE, ACCOUNTS, CONVERSATIONS, THREADS]).await?;
    let conversation = conversation_id(ConversationKind::Node, id);
    let rows = [
        (PAGE, id.to_string()),
        (CONVERSATIONS, ConversationKey::Conversation(conversation).to_string()),
        (THREADS, ThreadKey::Node { conversation }.to_string()),
    ];
    let stale = any_stale(&reads, &rows).await?;
    refuse_stale(stale, wanted)?;
    let now = app.clock.now();
    let node = node_detail(&reads, &app.sealer, id, now).await?;
    let node = node.ok_or_else(|| Problem::not_found("There is no such node."))?;
    let (version, position) = (node.node.version, node.position);
    let tag = match node.threads.is_empty() {
        true => EntityTag::Read(version, position),
        false => EntityTag::ReadAt(version, position, now.timestamp_millis()),
    };
    // The creator's title is personal.
    answer(&parts.headers, &Shown { node, stale }, tag, Caching::Never)
}

/// Whether one of these rows waits for a parked event.
pub(crate) async fn is_stale(reads: &PgPool, read_model: &str, keys: Vec<String>) -> Result<bool, Problem> {
    if keys.is_empty() {
        return Ok(false);
    }
    Ok(!stale_keys(reads, read_model, &keys).await?.is_empty())
}

/// Who asked for a position must not get a row that is behind it.
pub(crate) fn refuse_stale(stale: bool, wanted: Option<Position>) -> Result<(), Problem> {
    if stale && wanted.is_some() { Err(Problem::not_caught_up()) } else { Ok(()) }
}
