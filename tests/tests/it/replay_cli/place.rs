//! A log with real read models, and the built `replay` to work on it.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use embedded::NatsUser;
use eventstore::{
    append::{Append, EventToStore, Outcome, Write},
    generation::install,
    subscription::{Runner, RunnerOptions, Step},
};
use kernel::{AggregateRef, Name, NewEvent, Version};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{NatsEnv, Store, store};

pub struct Place {
    pub store: Store,
    pub data: TempDir,
    pub nats: Option<NatsEnv>,
    pub extra: HashMap<&'static str, String>,
}

/// What one call said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// In the target folder, beside the test's own executable.
fn built_replay() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join("replay");
    assert!(
        path.exists(),
        "{} is missing: `cargo build -p replay`, or run the tests by `make test`",
        path.display()
    );
    path
}

impl Place {
    /// With the read models of the application, empty.
    pub async fn new() -> Self {
        let store = store().await;
        install(&store.env.owner_pool, &projections::weave::registry()).await.unwrap();
        Self { store, data: tempfile::tempdir().unwrap(), nats: None, extra: HashMap::new() }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let url = |options: &sqlx::postgres::PgConnectOptions| options.to_url_lossy().to_string();
        let mut command = Command::new(built_replay());
        command
            .args(arguments)
            .env_clear()
            .env("DATA_DIR", self.data.path())
            .env("DATABASE_URL", url(&self.store.env.options))
            .env("OWNER_DATABASE_URL", url(&self.store.env.owner_options))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(nats) = &self.nats {
            command
                .env("NATS_URL", nats.url_for(NatsUser::App))
                .env("NATS_RELAY_URL", nats.url_for(NatsUser::Relay))
                .env("STREAM_MAX_BYTES", "64MiB")
                .env("STREAM_DEDUPE", "2m");
        }
        command.envs(self.extra.iter());
        command
    }

    pub async fn replay(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        // Not on this thread: pools of the test must go on living meanwhile.
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap().into()
    }

    /// The same with `--json`; standard output is one document.
    pub async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let said = self.replay(&[arguments, &["--json"]].concat()).await;
        let document = said.json();
        assert_eq!(document["exit_code"], said.code, "{said:?}");
        assert_eq!(document["ok"], said.code == 0, "{said:?}");
        (said.code, document)
    }

    pub async fn append(
        &self,
        aggregate: (&'static str, Uuid),
        after: Version,
        event_type: &'static str,
        payload: Value,
    ) -> i64 {
        let (aggregate_type, id) = aggregate;
        let event = prepared(Uuid::now_v7(), event_type, payload);
        let write = Write {
            aggregate: AggregateRef::new(Name::constant(aggregate_type), id),
            expected_version: after,
            events: vec![event],
            external_id: None,
        };
        match self.store.appender.append(Append { writes: vec![write], ..Append::default() }).await.unwrap() {
            Outcome::Committed(at) => at.first_position,
            other => panic!("{other:?}"),
        }
    }

    pub async fn tie(&self, title: &str) -> Uuid {
        let id = Uuid::now_v7();
        self.append(("node", id), 0, "NodeTied", node(title)).await;
        id
    }

    /// Feeds the read models up to the head.
    pub async fn settle(&self) {
        let registry = projections::weave::registry();
        let mut runner = Runner::new(self.store.env.log.clone(), registry, RunnerOptions::default());
        while runner.step().await.unwrap() != Step::Idle {}
    }

    pub async fn sql(&self, sql: &str) {
        sqlx::query(sql).execute(&self.store.env.owner_pool).await.unwrap();
    }
}

pub fn node(title: &str) -> Value {
    json!({
        "title": title, "kind": "Projekt", "address": "Am Deich 1", "location": {"lat": 53.55, "lon": 9.99},
        "search_visibility": "public", "created_by": Uuid::from_u128(7), "conversation_id": Uuid::from_u128(8),
    })
}

pub fn prepared(event_id: Uuid, event_type: &'static str, payload: Value) -> EventToStore {
    let metadata = json!({
        "actor": Uuid::from_u128(7), "roles": ["guest"], "command": "tests.do", "command_id": Uuid::nil(),
        "correlation_id": Uuid::nil(), "causation_id": Uuid::nil(), "occurred_at": "2026-01-01T00:00:00.000Z",
    });
    EventToStore::prepare(NewEvent {
        event_id,
        event_type: Name::constant(event_type),
        schema_version: 1,
        payload,
        metadata: Arc::from(metadata.to_string()),
    })
    .unwrap()
}
