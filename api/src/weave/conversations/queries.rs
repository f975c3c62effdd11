use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use projections::{
    PositionCursor,
    weave::conversation::{ConversationKey, ConversationSummary, MessageShape, messages_of},
};
use serde::Serialize;

use crate::{
    app::{App, Shared},
    command::path_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Asked, Caching, Caught, ListDocument, answer, caught_up, limit, run},
    weave::nodes::{is_stale, refuse_stale},
};

const CONVERSATIONS: &str = "conversation";
/// Titles of authors come from here.
const ACCOUNTS: &str = "account_page";

/// `GET /v1/conversations/{id}/messages?limit=&cursor=`
pub async fn messages(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, listed(&app, &parts)).await
}

#[derive(Serialize)]
struct Listed {
    conversation: ConversationSummary,
    #[serde(flatten)]
    list: ListDocument<MessageShape>,
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    app.verifier.identity_if_any(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["limit", "cursor"])?;
    let id = path_id(parts, 3, "id")?;
    let limit = limit(&params)?;
    let asked = Asked::of(parts, &params);
    let cursor = asked.cursor(&params, PositionCursor::parse)?;
    let Caught { wanted, reads } = caught_up(app, &parts.headers, &[CONVERSATIONS, ACCOUNTS]).await?;
    let found = messages_of(&reads, &app.sealer, id, limit, cursor).await?;
    let shown = found.iter().flat_map(|list| &list.page.items).map(|message| message.id);
    let keys = shown.map(ConversationKey::Message).chain([ConversationKey::Conversation(id)]);
    let stale = is_stale(&reads, CONVERSATIONS, keys.map(|key| key.to_string()).collect()).await?;
    refuse_stale(stale, wanted)?;
    let found = found.ok_or_else(|| Problem::not_found("There is no such conversation."))?;
    let tag = EntityTag::List(found.page.position);
    let document =
        Listed { conversation: found.conversation, list: ListDocument::of(found.page, asked, stale) };
    // Contents and titles are personal.
    answer(&parts.headers, &document, tag, Caching::Never)
}
