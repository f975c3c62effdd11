use std::sync::Arc;

use commands::Executor;
use eventstore::{
    LogPool,
    append::Appender,
    keys::KeyStore,
    relay::RelayStats,
    seal::Sealer,
    stream::StreamClient,
    subscription::{Positions, Stats},
};
use kernel::{Clock, Position};
use sqlx::PgPool;

use crate::{auth::Verifier, boot::Reacting, health::RedisProbe, http::Lanes};

/// What handlers share. Parts that belong to roles this process does not have are `None`.
pub struct App {
    pub verifier: Verifier,
    /// What fades, fades by this clock.
    pub clock: Arc<dyn Clock>,
    pub lanes: Lanes,
    pub log: LogPool,
    /// What queries read from; may be a replica.
    pub reads: PgPool,
    pub keys: Arc<dyn KeyStore>,
    pub sealer: Sealer,
    pub positions: Positions,
    pub executor: Option<Executor>,
    pub appender: Option<Appender>,
    pub relay: Option<Arc<RelayStats>>,
    pub projector: Option<Stats>,
    pub reactors: Vec<Reacting>,
    pub stream: Option<StreamClient>,
    pub redis: Option<RedisProbe>,
    pub registry: prometheus::Registry,
    pub openapi: bytes::Bytes,
}

impl App {
    /// The last position this process has committed; 0 without the role `command`.
    #[must_use]
    pub fn committed(&self) -> Position {
        self.appender.as_ref().map_or(0, |appender| *appender.committed().borrow())
    }
}

pub type Shared = Arc<App>;
