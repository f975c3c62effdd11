use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use domain::weave::conversation::{ConversationKind, conversation_id};
use projections::{
    geo::BBox,
    weave::thread::{
        BoxCursor, RecentCursor, ThreadKey, ThreadShape, threads_in_bbox, threads_of_account, threads_of_node,
    },
};
use uuid::Uuid;

use crate::{
    app::{App, Shared},
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Asked, Caching, Caught, ListDocument, answer, caught_up, id, limit, run, sentence},
    weave::nodes::{is_stale, refuse_stale},
};

const THREADS: &str = "thread";
/// The accounts' ends come from here.
const ACCOUNTS: &str = "account_page";

/// `GET /v1/threads?bbox=|account=|node=&limit=&cursor=`
pub async fn list(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, listed(&app, &parts)).await
}

/// Exactly one of three, with what its list is walked by.
enum Wanted {
    InBox(BBox, u16, Option<BoxCursor>),
    OfAccount(Uuid, u16, Option<RecentCursor>),
    OfNode(Uuid, u16, Option<RecentCursor>),
}

impl Wanted {
    fn read(params: &Params<'_>, asked: Asked) -> Result<Self, Problem> {
        match (params.get("bbox"), id(params, "account")?, id(params, "node")?) {
            (Some(bbox), None, None) => {
                let bbox =
                    BBox::parse(bbox).map_err(|error| Problem::bad_parameter("bbox", sentence(&error)))?;
                // A map, with a map's bounds.
                let limit = params.number("limit", 1..=1000)?.unwrap_or(100);
                let limit = u16::try_from(limit).map_err(|_| Problem::internal())?;
                Ok(Self::InBox(bbox, limit, asked.cursor(params, BoxCursor::parse)?))
            }
            (None, Some(account), None) => {
                Ok(Self::OfAccount(account, limit(params)?, asked.cursor(params, RecentCursor::parse)?))
            }
            (None, None, Some(node)) => {
                Ok(Self::OfNode(node, limit(params)?, asked.cursor(params, RecentCursor::parse)?))
            }
            _ => Err(Problem::bad_parameter("query", "Give exactly one of bbox, account and node.")),
        }
    }

    /// The rows that decide about the whole list.
    fn keys(&self) -> Vec<ThreadKey> {
        match self {
            Self::InBox(..) => vec![],
            Self::OfAccount(account, ..) => vec![ThreadKey::Account { account: *account }],
            Self::OfNode(node, ..) => {
                vec![ThreadKey::Node { conversation: conversation_id(ConversationKind::Node, *node) }]
            }
        }
    }
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["bbox", "account", "node", "limit", "cursor"])?;
    let asked = Asked::of(parts, &params);
    let wanted = Wanted::read(&params, asked)?;
    let Caught { wanted: position, reads } = caught_up(app, &parts.headers, &[THREADS, ACCOUNTS]).await?;
    let now = app.clock.now();
    let (pool, sealer) = (&reads, &app.sealer);
    let page = match wanted {
        Wanted::InBox(bbox, limit, cursor) => threads_in_bbox(pool, sealer, bbox, now, limit, cursor).await,
        Wanted::OfAccount(account, limit, cursor) => {
            threads_of_account(pool, sealer, account, now, limit, cursor).await
        }
        Wanted::OfNode(node, limit, cursor) => threads_of_node(pool, sealer, node, now, limit, cursor).await,
    }?;
    let keys = page.items.iter().flat_map(ThreadShape::keys).chain(wanted.keys());
    let stale = is_stale(&reads, THREADS, keys.map(|key| key.to_string()).collect()).await?;
    refuse_stale(stale, position)?;
    let tag = match page.items.is_empty() {
        true => EntityTag::List(page.position),
        false => EntityTag::ListAt(page.position, now.timestamp_millis()),
    };
    // The accounts' positions are personal.
    answer(&parts.headers, &ListDocument::of(page, asked, stale), tag, Caching::Never)
}
