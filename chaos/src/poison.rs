//! Events that cannot be applied, put into the log beside those of the callers: what a faulty
//! version of the program would leave there.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use chrono::{SecondsFormat, Utc};
use eventstore::{
    append::{Append, Appender, AppenderConfig, EventToStore, Outcome, Write},
    connect_log,
};
use kernel::{AggregateRef, Name, NewEvent};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than this the log is away: another one comes sooner or later.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than NATS takes in one message.
const BIG: usize = 2 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// Of a type that read models want, with a payload that is none.
    Undecodable,
    /// Of a type that nobody knows.
    Unknown,
    /// Larger than the stream's messages may be.
    TooBig,
}

impl Poison {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Unknown => "unknown type",
            Self::TooBig => "too big",
        }
    }

    /// Whether read models have to park it.
    pub const fn parks(self) -> bool {
        matches!(self, Self::Undecodable)
    }

    fn event(self) -> (&'static str, Value) {
        match self {
            Self::Undecodable => ("NodeRevised", json!({"title": 5})),
            Self::Unknown => ("NodeBlessed", json!({"by": "nobody"})),
            Self::TooBig => ("NodeBlessed", json!({"text": "x".repeat(BIG)})),
        }
    }
}

/// Appends it for a node of its own, as the application and around all links.
///
/// # Errors
/// It may or may not be there: the log did not answer in time, or refused.
pub async fn put(poison: Poison, node: Uuid, log: PgConnectOptions) -> anyhow::Result<()> {
    let (event_type, payload) = poison.event();
    let metadata = json!({
        "actor": "system", "command": "chaos.poison", "command_id": Uuid::now_v7(),
        "correlation_id": node, "causation_id": node,
        "occurred_at": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
    });
    let event = EventToStore::prepare(NewEvent {
        event_id: Uuid::now_v7(),
        event_type: Name::constant(event_type),
        schema_version: 1,
        payload,
        metadata: Arc::from(metadata.to_string()),
    })
    .context("a poison that cannot even be stored")?;
    let aggregate = AggregateRef::new(Name::constant("node"), node);
    let write = Write { aggregate, expected_version: 0, events: vec![event], external_id: None };
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let work = async {
        let appender = Appender::start(connect_log(log, 1).await?, AppenderConfig::default(), stop);
        match appender.append(Append { writes: vec![write], ..Append::default() }).await? {
            Outcome::Committed(_) => Ok(()),
            other => bail!("{other:?}"),
        }
    };
    timeout(PATIENCE, work).await.context("the log did not answer")?
}
