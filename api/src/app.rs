use std::sync::Arc;

use commands::Executor;
use eventstore::{
    LogPool,
    append::Appender,
    audit::SealingStats,
    keys::KeyStore,
    precedence::Precedence,
    relay::RelayStats,
    seal::Sealer,
    stream::StreamClient,
    subscription::{Positions, Reads, Stats},
};
use kernel::{Clock, Position};
use lifecycle::certificate::CertificateKey;
use projections::{
    cache::Cache,
    search::{Engines, outside::FeederStats},
    weave::{
        account_map::AccountMap,
        hot_views::{HotRedis, HotStats, RecentActs},
    },
};

use crate::{
    audit::Signers,
    auth::Verifier,
    boot::{Reacting, Sentinels},
    http::Lanes,
    live::Live,
};

/// What handlers share. Parts that belong to roles this process does not have are `None`.
pub struct App {
    /// What fades and which windows are meant depends on it.
    pub clock: Arc<dyn Clock>,
    pub verifier: Verifier,
    pub signers: Signers,
    pub lanes: Lanes,
    pub log: LogPool,
    /// What queries read from: the primary, or a replica.
    pub reads: Reads,
    pub keys: Arc<dyn KeyStore>,
    pub sealer: Sealer,
    /// Of the primary.
    pub positions: Positions,
    /// Who answers searches.
    pub search: Engines,
    /// Of the engines that this process feeds.
    pub feeders: Vec<EngineFeeding>,
    pub executor: Option<Executor>,
    pub appender: Option<Appender>,
    pub precedence: Option<Precedence>,
    pub relay: Option<Arc<RelayStats>>,
    pub projectors: Vec<Stats>,
    pub sealing: Option<Arc<SealingStats>>,
    pub sentinels: Option<Sentinels>,
    pub reactors: Vec<Reacting>,
    pub stream: Option<StreamClient>,
    /// The accounts on the map, when this process answers queries.
    pub account_map: Option<AccountMap>,
    pub hot: Hot,
    /// The log as it grows, when this process answers queries.
    pub live: Option<Arc<Live>>,
    /// Answers that many ask for.
    pub cache: Cache,
    /// Signs what a person is given about themselves.
    pub certificate_key: Arc<CertificateKey>,
    pub registry: prometheus::Registry,
    pub openapi: bytes::Bytes,
}

/// An engine's name, and how its feeding goes.
pub type EngineFeeding = (&'static str, FeederStats);

/// The views in Redis, and what stands in for them.
#[derive(Default)]
pub struct Hot {
    pub redis: Option<HotRedis>,
    pub recent: RecentActs,
    /// Of the feeder in this process.
    pub stats: Option<HotStats>,
}

impl App {
    /// The last position this process has committed; 0 without the role `command`.
    #[must_use]
    pub fn committed(&self) -> Position {
        self.appender.as_ref().map_or(0, |appender| *appender.committed().borrow())
    }
}

pub type Shared = Arc<App>;
