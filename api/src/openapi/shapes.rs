//! The answers of queries as the documentation shows them. The read models write them; a test
//! over HTTP compares their fields with these.
#![allow(dead_code)]

use chrono::{DateTime, Utc};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{audit::AuditEventDocument, query::PageDocument, weave::Point};

/// `null` in kind, title, tags, address or location means that the field was redacted.
#[derive(ToSchema)]
pub struct Node {
    id: Uuid,
    kind: Option<String>,
    title: Option<String>,
    summary: Option<String>,
    /// Markdown.
    info: Option<String>,
    tags: Option<Vec<String>>,
    address: Option<String>,
    location: Option<Point>,
    /// `public`, `private`, `hidden` or `revoked`; governs the search only.
    search_visibility: String,
    /// `null` once the creator has left.
    created_by: Option<Uuid>,
    conversation_id: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
    /// JSON pointers of values that are gone for good; left out when there are none.
    erased: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub struct NodePage {
    id: Uuid,
    kind: Option<String>,
    title: Option<String>,
    summary: Option<String>,
    info: Option<String>,
    tags: Option<Vec<String>>,
    address: Option<String>,
    location: Option<Point>,
    search_visibility: String,
    /// `null` once the creator has left.
    created_by: Option<Uuid>,
    conversation_id: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
    erased: Option<Vec<String>>,
    /// `null` when the creator left.
    creator: Option<Creator>,
    /// The last 100 entries, oldest first.
    history: Vec<HistoryEntry>,
    conversation: Option<Conversation>,
    /// Live ones, the newest 20.
    threads: Vec<Thread>,
    position: i64,
    /// Present and true when an event of this node could not be applied.
    stale: Option<bool>,
}

#[derive(ToSchema)]
pub struct Creator {
    id: Uuid,
    /// `null` when it was erased.
    title: Option<String>,
}

#[derive(ToSchema)]
pub struct HistoryEntry {
    r#type: String,
    at: DateTime<Utc>,
    position: i64,
    version: i64,
    /// `null` when it was no person.
    actor: Option<Uuid>,
}

#[derive(ToSchema)]
pub struct Account {
    id: Uuid,
    /// `guest` or `weaver`.
    role: String,
    /// `active`, `disabled` or `left`.
    status: String,
    title: Option<String>,
    summary: Option<String>,
    tags: Vec<String>,
    /// Only for the account itself and admins.
    address: Option<String>,
    /// `not_on_map`, `exact` or `radius`.
    map_state: String,
    /// For `radius` a random point within it, never the exact one.
    public_position: Option<Point>,
    radius_m: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
    /// Nodes this person's live threads lead to, the newest 20.
    nodes: Vec<ThreadedNode>,
    /// The newest 20 entries; they do not fade.
    activity: Vec<Activity>,
    /// JSON pointers of values that were erased.
    erased: Vec<String>,
    position: i64,
    /// Present and true when an event of this account could not be applied.
    stale: Option<bool>,
}

#[derive(ToSchema)]
pub struct NodeList {
    items: Vec<Node>,
    page: PageDocument,
    position: i64,
}

/// With `cluster`, counts; without, nodes.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum NodesOrClusters {
    Nodes(NodeList),
    Clusters(ClusterList),
}

#[derive(ToSchema)]
pub struct ClusterList {
    clusters: Vec<Cluster>,
    /// H3 resolution of the cells.
    #[schema(example = 4)]
    resolution: u8,
    position: i64,
}

#[derive(ToSchema)]
pub struct Cluster {
    /// H3 index.
    #[schema(example = "841f05bffffffff")]
    cell: String,
    /// Public nodes in the whole cell.
    #[schema(example = 17)]
    count: u64,
    /// The cell's centre.
    location: Point,
}

#[derive(ToSchema)]
pub struct SearchHit {
    id: Uuid,
    kind: Option<String>,
    title: Option<String>,
    summary: Option<String>,
    /// Markdown.
    info: Option<String>,
    tags: Option<Vec<String>>,
    address: Option<String>,
    location: Option<Point>,
    /// `public`, or `private` for its owner.
    search_visibility: String,
    /// `null` once the creator has left.
    created_by: Option<Uuid>,
    conversation_id: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
    /// JSON pointers of values that are gone for good; left out when there are none.
    erased: Option<Vec<String>>,
    /// Higher is better; comparable within one answer only.
    score: f64,
}

#[derive(ToSchema)]
pub struct SearchList {
    items: Vec<SearchHit>,
    page: PageDocument,
    position: i64,
    /// Which engine answered.
    engine: String,
    /// How far that engine was.
    engine_position: i64,
    /// Present and true when an event of one of these nodes could not be applied.
    stale: Option<bool>,
}

#[derive(ToSchema)]
pub struct AccountOnMap {
    id: Uuid,
    /// `null` when it was erased.
    title: Option<String>,
    /// `guest` or `weaver`.
    role: String,
    /// `exact` or `radius`.
    map_state: String,
    /// For `radius` a random point within it, never the exact one.
    public_position: Point,
    radius_m: i32,
    /// JSON pointers of values that were erased; left out when there are none.
    erased: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub struct AccountList {
    items: Vec<AccountOnMap>,
    page: PageDocument,
    position: i64,
    /// Present and true when an event of one of them could not be applied.
    stale: Option<bool>,
}

#[derive(ToSchema)]
pub struct Suggestions {
    items: Vec<Suggestion>,
    position: i64,
    engine: String,
    engine_position: i64,
}

#[derive(ToSchema)]
pub struct Suggestion {
    title: String,
}

#[derive(ToSchema)]
pub struct Trending {
    items: Vec<TrendingNode>,
    position: i64,
    /// Present and true when only the newest events were counted, and the window reaches further back.
    partial: Option<bool>,
}

#[derive(ToSchema)]
pub struct TrendingNode {
    node: NodeTitle,
    score: i64,
    /// Threads to it that have not faded.
    live_threads: i64,
}

#[derive(ToSchema)]
pub struct NodeTitle {
    id: Uuid,
    /// `null` when it was redacted, as the kind.
    title: Option<String>,
    kind: Option<String>,
}

#[derive(ToSchema)]
pub struct Statistics {
    nodes: i64,
    /// Registered and not left.
    accounts: i64,
    /// Posted and not taken back.
    messages: i64,
    active: ActiveAccounts,
    position: i64,
}

/// Accounts that acted.
#[derive(ToSchema)]
pub struct ActiveAccounts {
    /// On the present UTC day.
    day: i64,
    /// On it and the 29 before.
    last_30_days: i64,
}

#[derive(ToSchema)]
pub struct AuditList {
    items: Vec<AuditEventDocument>,
    page: PageDocument,
    /// The end of the log.
    position: i64,
}

#[derive(ToSchema)]
pub struct MessageList {
    conversation: Conversation,
    items: Vec<Message>,
    page: PageDocument,
    position: i64,
    /// Present and true when an event of this page could not be applied.
    stale: Option<bool>,
}

#[derive(ToSchema)]
pub struct Conversation {
    id: Uuid,
    /// `open`, or `archived`: readable, no new posts.
    state: String,
    /// Messages that were taken away count.
    message_count: i64,
    last_message_at: Option<DateTime<Utc>>,
}

#[derive(ToSchema)]
pub struct Message {
    id: Uuid,
    conversation_id: Uuid,
    /// `null` when the author left.
    author: Option<Person>,
    /// `null` when it was taken away or erased.
    content: Option<String>,
    /// Taken away by its author or an admin, for good.
    tombstoned: bool,
    created_at: DateTime<Utc>,
    edited_at: Option<DateTime<Utc>>,
    version: i64,
    /// JSON pointers of values that are gone for good; left out when there are none.
    erased: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub struct Person {
    id: Uuid,
    /// `null` when it was erased.
    title: Option<String>,
}

#[derive(ToSchema)]
pub struct ThreadList {
    items: Vec<Thread>,
    page: PageDocument,
    position: i64,
    /// Present and true when an event of this page could not be applied.
    stale: Option<bool>,
}

#[derive(ToSchema)]
pub struct Thread {
    id: Uuid,
    account_id: Uuid,
    node_id: Uuid,
    /// `knotting`: tied or revised; `conversation`: something was said.
    r#type: String,
    /// 1 when it was drawn, linear to 0 at `expires_at`.
    opacity: f64,
    /// When the last act was.
    started_at: DateTime<Utc>,
    /// 168 hours later: from then on it is absent everywhere.
    expires_at: DateTime<Utc>,
    /// The account's public position; `null` when it is not on the map.
    from: Option<Point>,
    /// The node's place; `null` when it was redacted.
    to: Option<Point>,
    /// JSON pointers of values that are gone for good; left out when there are none.
    erased: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub struct ThreadedNode {
    id: Uuid,
    /// `null` when it was redacted.
    title: Option<String>,
    /// Of the newest thread.
    opacity: f64,
    started_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

#[derive(ToSchema)]
pub struct ActivityList {
    items: Vec<Activity>,
    page: PageDocument,
    position: i64,
    /// Present and true when an event of this page could not be applied.
    stale: Option<bool>,
}

#[derive(ToSchema)]
pub struct Activity {
    /// Of the last act.
    position: i64,
    /// When the last act was.
    at: DateTime<Utc>,
    /// `tied`, `revised` or `removed` a node, or `message`: said something in its conversation.
    r#type: String,
    /// `null` when the person left, and when no person did it.
    account: Option<Person>,
    /// A removed node keeps its last title.
    node: Option<NamedNode>,
    /// How often on that day (UTC).
    count: i64,
    /// JSON pointers of values that are gone for good; left out when there are none.
    erased: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub struct NamedNode {
    id: Uuid,
    /// `null` when it was redacted.
    title: Option<String>,
}
