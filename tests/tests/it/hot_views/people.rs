//! Acts to count.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use eventstore::append::{Append, EventToStore, Outcome, Write};
use kernel::{AggregateRef, Name, NewEvent};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Store;

/// A log of acts in the making, over forty days, so that hours, days and threads fall out of
/// every window.
pub struct People {
    random: StdRng,
    versions: HashMap<Uuid, i64>,
    nodes: Vec<Uuid>,
    accounts: Vec<Uuid>,
    pub at: DateTime<Utc>,
}

impl People {
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut id = || Uuid::from_u128(random.random());
        let (nodes, accounts) = ((0..12).map(|_| id()).collect(), (0..8).map(|_| id()).collect());
        let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        Self { random, versions: HashMap::new(), nodes, accounts, at }
    }

    pub async fn act(&mut self, store: &Store) {
        self.at += TimeDelta::minutes(self.random.random_range(0..120));
        // Commands of different processes are in no order.
        let at = self.at - TimeDelta::minutes(self.random.random_range(0..300));
        let node = self.nodes[self.random.random_range(0..self.nodes.len())];
        let account = self.accounts[self.random.random_range(0..self.accounts.len())];
        let conversation = domain::weave::conversation::conversation_id(
            domain::weave::conversation::ConversationKind::Node,
            node,
        );
        let (kind, id, event_type, payload) = match self.random.random_range(0..20) {
            0 => ("node", node, "NodeRemoved", json!({})),
            1 => ("account", account, "AccountLeft", json!({})),
            2..=4 => ("node", node, "NodeTied", json!({})),
            5..=8 => ("node", node, "NodeRevised", json!({})),
            9 => ("node", node, "NodeVisibilityChanged", json!({})),
            10 => ("message", Uuid::now_v7(), "MessagePosted", json!({"conversation_id": 7})),
            _ => ("message", Uuid::now_v7(), "MessagePosted", json!({"conversation_id": conversation})),
        };
        self.append(store, (kind, id), event_type, payload, account, at).await;
    }

    async fn append(
        &mut self,
        store: &Store,
        (kind, id): (&'static str, Uuid),
        event_type: &'static str,
        payload: Value,
        account: Uuid,
        at: DateTime<Utc>,
    ) {
        let metadata = json!({
            "actor": account, "command": "test.act", "command_id": Uuid::nil(), "correlation_id": Uuid::nil(),
            "causation_id": Uuid::nil(), "occurred_at": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        });
        let event = EventToStore::prepare(NewEvent {
            event_id: Uuid::now_v7(),
            event_type: Name::constant(event_type),
            schema_version: 1,
            payload,
            metadata: Arc::from(metadata.to_string()),
        })
        .unwrap();
        let version = self.versions.entry(id).or_default();
        let write = Write {
            aggregate: AggregateRef::new(Name::constant(kind), id),
            expected_version: *version,
            events: vec![event],
            external_id: None,
        };
        *version += 1;
        let outcome = store.appender.append(Append { writes: vec![write], ..Append::default() }).await;
        assert!(matches!(outcome, Ok(Outcome::Committed { .. })), "{outcome:?}");
    }

    pub async fn acts(&mut self, store: &Store, count: usize) {
        for _ in 0..count {
            self.act(store).await;
        }
    }
}
