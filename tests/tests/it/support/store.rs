use std::sync::Arc;

use eventstore::append::{Append, Appender, AppenderConfig, EventToStore, Write};
use kernel::{AggregateRef, Name, NewEvent, Version};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{LogEnv, log_env};

/// A log with an appender of its own; stops with the value.
pub struct Store {
    pub env: LogEnv,
    pub appender: Appender,
    pub stop: CancellationToken,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn store() -> Store {
    let env = log_env().await;
    let stop = CancellationToken::new();
    let appender = Appender::start(env.log.clone(), AppenderConfig::default(), stop.clone());
    Store { env, appender, stop }
}

/// An aggregate of no domain.
pub fn thing(id: Uuid) -> AggregateRef {
    AggregateRef::new(Name::constant("thing"), id)
}

pub fn event(payload: Value) -> EventToStore {
    let metadata = json!({
        "actor": "system", "command": "thing.do", "command_id": Uuid::nil(), "correlation_id": Uuid::nil(),
        "causation_id": Uuid::nil(), "occurred_at": "2026-01-01T00:00:00.000Z",
    });
    EventToStore::prepare(NewEvent {
        event_id: Uuid::now_v7(),
        event_type: Name::constant("ThingDone"),
        schema_version: 1,
        payload,
        metadata: Arc::from(metadata.to_string()),
    })
    .unwrap()
}

/// One event for one thing.
pub fn write(id: Uuid, expected_version: Version) -> Append {
    Append {
        writes: vec![Write {
            aggregate: thing(id),
            expected_version,
            events: vec![event(json!({"n": expected_version + 1}))],
            external_id: None,
        }],
        ..Append::default()
    }
}
