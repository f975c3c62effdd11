use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kernel::{Position, RecordedEvent};
use quick_cache::sync::Cache;
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::{About, Audience, Standing, standing::Fields};
use crate::ReadError;

/// Messages and conversations whose place in the world is remembered (some 60 bytes each). Too
/// low: an edit of an old message costs a question more.
const REMEMBERED: usize = 100_000;
/// Nodes of one reader (about 80 bytes each); then it begins anew.
const NODES: usize = 50_000;

/// What never changes: a message's conversation and a conversation's node. Shared by all readers
/// of a process.
#[derive(Clone)]
pub struct Links {
    conversation_of: Arc<Cache<Uuid, Uuid>>,
    /// `None`: it is not a node's.
    node_of: Arc<Cache<Uuid, Option<Uuid>>>,
}

impl Default for Links {
    fn default() -> Self {
        Self { conversation_of: Arc::new(Cache::new(REMEMBERED)), node_of: Arc::new(Cache::new(REMEMBERED)) }
    }
}

/// One reader's view of the nodes it meets, at the position it has read to. Pages must come in
/// order and without gap.
pub struct Whereabouts {
    pool: PgPool,
    links: Links,
    nodes: HashMap<Uuid, Standing>,
}

#[derive(Deserialize)]
struct Posted {
    conversation_id: Uuid,
}

#[derive(Deserialize)]
struct Opened {
    kind: String,
    subject_id: Uuid,
}

#[derive(Deserialize)]
struct OfPerson {
    account_id: Uuid,
}

impl Whereabouts {
    #[must_use]
    pub fn new(pool: PgPool, links: Links) -> Self {
        Self { pool, links, nodes: HashMap::new() }
    }

    /// What each event of the page is about.
    ///
    /// # Errors
    /// [`ReadError`] when the log cannot be asked; the same page may be asked about again.
    pub async fn of(&mut self, page: &[RecordedEvent]) -> Result<Vec<About>, ReadError> {
        let Some(first) = page.first() else { return Ok(vec![]) };
        let mut known = Known::default();
        self.learn(page, &mut known);
        self.ask_messages(page, &mut known).await?;
        self.ask_conversations(page, &mut known).await?;
        let nodes: Vec<Option<Uuid>> = page.iter().map(|event| known.node_of(event)).collect();
        self.ask_nodes(&nodes, first.position - 1).await?;
        Ok(page.iter().zip(nodes).map(|(event, node)| self.about(event, node, &known)).collect())
    }

    /// Some pages were left out: what is known of nodes may be old.
    pub fn forget(&mut self) {
        self.nodes.clear();
    }

    /// The conversation's node; `None` for an unknown one and for one that is no node's.
    ///
    /// # Errors
    /// [`ReadError`] when the log cannot be asked.
    pub async fn node_of_conversation(&self, conversation: Uuid) -> Result<Option<Uuid>, ReadError> {
        if let Some(known) = self.links.node_of.get(&conversation) {
            return Ok(known);
        }
        let found = self.load_conversations(&[conversation]).await?;
        Ok(found.into_iter().find_map(|(_, node)| node))
    }

    /// Who may see a node as it is at `position`.
    ///
    /// # Errors
    /// [`ReadError`] when the log cannot be asked.
    pub async fn audience(&self, node: Uuid, position: Position) -> Result<Audience, ReadError> {
        let found = self.load_nodes(&[node], position).await?;
        Ok(found.get(&node).copied().map_or(Audience::Nobody, Audience::of))
    }

    /// What the page itself says.
    fn learn(&self, page: &[RecordedEvent], known: &mut Known) {
        for event in page {
            match event.event_type.as_str() {
                "MessagePosted" => {
                    if let Ok(Posted { conversation_id }) = event.decode() {
                        self.links.conversation_of.insert(event.aggregate_id, conversation_id);
                        known.conversations.insert(event.aggregate_id, conversation_id);
                    }
                }
                "ConversationOpened" => {
                    if let Ok(opened) = event.decode::<Opened>() {
                        let node = (opened.kind == "node").then_some(opened.subject_id);
                        self.links.node_of.insert(event.aggregate_id, node);
                        known.nodes.insert(event.aggregate_id, node);
                    }
                }
                _ => {}
            }
        }
    }

    async fn ask_messages(&self, page: &[RecordedEvent], known: &mut Known) -> Result<(), ReadError> {
        let mut unknown = HashSet::new();
        for event in page.iter().filter(|event| event.aggregate_type.as_str() == "message") {
            let id = event.aggregate_id;
            match self.links.conversation_of.get(&id) {
                Some(conversation) => _ = known.conversations.insert(id, conversation),
                None if known.conversations.contains_key(&id) => {}
                None => _ = unknown.insert(id),
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let unknown: Vec<Uuid> = unknown.into_iter().collect();
        let rows = sqlx::query_file!("src/live/sql/messages.sql", &unknown).fetch_all(&self.pool).await?;
        for row in rows {
            if let Some(conversation) = row.conversation.and_then(|text| text.parse().ok()) {
                self.links.conversation_of.insert(row.id, conversation);
                known.conversations.insert(row.id, conversation);
            }
        }
        Ok(())
    }

    async fn ask_conversations(&self, page: &[RecordedEvent], known: &mut Known) -> Result<(), ReadError> {
        let mut unknown = HashSet::new();
        for id in page.iter().filter_map(|event| known.conversation_of(event)).collect::<HashSet<_>>() {
            match self.links.node_of.get(&id) {
                Some(node) => _ = known.nodes.insert(id, node),
                None if known.nodes.contains_key(&id) => {}
                None => _ = unknown.insert(id),
            }
        }
        if !unknown.is_empty() {
            let unknown: Vec<Uuid> = unknown.into_iter().collect();
            known.nodes.extend(self.load_conversations(&unknown).await?);
        }
        Ok(())
    }

    async fn load_conversations(&self, unknown: &[Uuid]) -> Result<Vec<(Uuid, Option<Uuid>)>, ReadError> {
        let rows = sqlx::query_file!("src/live/sql/conversations.sql", unknown).fetch_all(&self.pool).await?;
        let found = rows.into_iter().map(|row| {
            let node = row.subject.filter(|_| row.kind.as_deref() == Some("node"));
            let node = node.and_then(|text| text.parse().ok());
            self.links.node_of.insert(row.id, node);
            (row.id, node)
        });
        Ok(found.collect())
    }

    async fn ask_nodes(&mut self, nodes: &[Option<Uuid>], before: Position) -> Result<(), ReadError> {
        if self.nodes.len() > NODES {
            self.nodes.clear();
        }
        let unknown: HashSet<Uuid> =
            nodes.iter().flatten().copied().filter(|id| !self.nodes.contains_key(id)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let unknown: Vec<Uuid> = unknown.into_iter().collect();
        let mut found = self.load_nodes(&unknown, before).await?;
        for id in unknown {
            self.nodes.insert(id, found.remove(&id).unwrap_or_default());
        }
        Ok(())
    }

    async fn load_nodes(&self, ids: &[Uuid], upto: Position) -> Result<HashMap<Uuid, Standing>, ReadError> {
        let rows = sqlx::query_file!("src/live/sql/standings.sql", ids, upto).fetch_all(&self.pool).await?;
        let mut found: HashMap<Uuid, Standing> = HashMap::new();
        for row in rows {
            let fields = Fields {
                location: row.location,
                search_visibility: row.visibility.clone(),
                to: row.visibility,
                created_by: row.owner.and_then(|text| text.parse().ok()),
            };
            found.entry(row.id).or_default().apply(&row.event_type, fields);
        }
        Ok(found)
    }

    fn about(&mut self, event: &RecordedEvent, node: Option<Uuid>, known: &Known) -> About {
        match event.aggregate_type.as_str() {
            "account" => return About::account(Some(event.aggregate_id)),
            "person" => {
                return About::account(event.decode::<OfPerson>().ok().map(|person| person.account_id));
            }
            _ => {}
        }
        let conversation = known.conversation_of(event);
        let Some(id) = node else { return About { conversation, ..About::UNKNOWN } };
        let standing = self.nodes.entry(id).or_default();
        let before = *standing;
        if event.aggregate_type.as_str() == "node" {
            standing.take(event);
        }
        let after = *standing;
        // Who saw it may hear that it goes out of sight; nothing else.
        let audience = match event.event_type.as_str() {
            "NodeVisibilityChanged" if before.public => Audience::Everybody,
            _ => Audience::of(after),
        };
        let places = [before.place, after.place.filter(|place| Some(*place) != before.place)];
        let owner = after.owner.or(before.owner);
        About { node, conversation, account: None, owner, places, audience }
    }
}

/// The links of one page. The shared memory may let go of anything at any time; a page must not.
#[derive(Default)]
struct Known {
    conversations: HashMap<Uuid, Uuid>,
    nodes: HashMap<Uuid, Option<Uuid>>,
}

impl Known {
    fn conversation_of(&self, event: &RecordedEvent) -> Option<Uuid> {
        match event.aggregate_type.as_str() {
            "conversation" => Some(event.aggregate_id),
            "message" => self.conversations.get(&event.aggregate_id).copied(),
            _ => None,
        }
    }

    fn node_of(&self, event: &RecordedEvent) -> Option<Uuid> {
        match event.aggregate_type.as_str() {
            "node" => Some(event.aggregate_id),
            _ => self.nodes.get(&self.conversation_of(event)?).copied().flatten(),
        }
    }
}
