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
