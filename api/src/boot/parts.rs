use std::{sync::Arc, time::Duration};

use commands::{Executor, ExecutorConfig, ExecutorDeps};
use eventstore::{
    append::{Appender, AppenderConfig},
    audit::{Sealing, SealingConfig, SealingStats, SignerFolder},
    control::Control,
    jobs::{DropGenerations, Jobs, log_jobs},
    keys::KeyStore,
    precedence::Precedence,
    relay::{Relay, RelayConfig, RelayStats},
    seal::Sealer,
    stream::StreamClient,
    subscription::{Positions, Reads, Runner, RunnerOptions, Stats, stream_tail},
};
use kernel::Clock;
use lifecycle::{certificate::CertificateKey, forget::ForgetDeps, retention::RetentionRun};
use projections::{
    cache::{self, Cache, VIEWS},
    search::{Engines, PostgresSearch, outside::Feeder as EngineFeeder},
    weave::{
        account_map::{AccountMap, Follower},
        hot_views::{Feeder, HotRedis, HotStats},
    },
};
use prometheus::Registry;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    BootError,
    databases::Databases,
    places::Places,
    reactors::{self, Reacting},
    sentinel::Sentinels,
    streams,
};
use crate::{
    app::EngineFeeding,
    live::{self, Live},
    metrics::SearchMetrics,
    settings::{Role, SecretText, ServeSettings},
    ws::Presence,
};

/// The owner's one connection is closed between two jobs that need it.
const OWNER_REST: Duration = Duration::from_secs(30);

/// What runs in this process besides HTTP.
pub(super) struct Parts {
    pub appender: Option<Appender>,
    pub precedence: Option<Precedence>,
    pub executor: Option<Executor>,
    /// What the executor works with, for another one at another time.
    pub deps: Option<ExecutorDeps>,
    pub relay: Option<Arc<RelayStats>>,
    pub projectors: Vec<Stats>,
    pub sealing: Option<Arc<SealingStats>>,
    pub sentinels: Option<Sentinels>,
    pub reactors: Vec<Reacting>,
    pub positions: Positions,
    pub reads: Reads,
    pub stream: Option<StreamClient>,
    pub account_map: Option<AccountMap>,
    pub hot: Option<HotRedis>,
    pub hot_stats: Option<HotStats>,
    pub live: Option<Arc<Live>>,
    pub cache: Cache,
    pub search: Engines,
    pub feeders: Vec<EngineFeeding>,
    pub certificate_key: Arc<CertificateKey>,
}

/// Ends the parts in the order in which they feed each other.
#[derive(Clone, Default)]
pub(super) struct Stops {
    pub http: CancellationToken,
    /// Relay and projector.
    pub background: CancellationToken,
    /// The appender, last: whoever still asks gets its answer.
    pub appender: CancellationToken,
    pub tasks: TaskTracker,
}

/// One connection, while it is needed.
fn owner_of(places: &Places) -> PgPool {
    let owner = PgPoolOptions::new().max_connections(1).idle_timeout(OWNER_REST);
    owner.connect_lazy_with(places.log.owner.clone())
}

/// What forgetting somebody needs; and this process learns of erasures by others.
async fn forget_deps(
    settings: &ServeSettings,
    places: &Places,
    databases: &Databases,
    executor: &Executor,
    parts: &Parts,
    (clock, stops): (&Arc<dyn Clock>, &Stops),
) -> Result<ForgetDeps, BootError> {
    let keys: Arc<dyn KeyStore> = Arc::new(databases.keys.clone());
    let control = Control::connect(places.nats.0.expose(), settings.stream.nats_creds.as_deref()).await?;
    Ok(ForgetDeps {
        pool: databases.background.pg().clone(),
        scan_pool: match places.log.owner_known {
            true => owner_of(places),
            false => databases.background.pg().clone(),
        },
        executor: executor.clone(),
        sealer: Sealer::new(Arc::clone(&keys)),
        keys,
        clock: Arc::clone(clock),
        hot: parts.hot.clone(),
        ledger: settings.forget.ledger(&settings.place),
        certificate_key: Arc::clone(&parts.certificate_key),
        places: settings.forget.scan_places(&settings.place),
        announce: Arc::new({
            let stopping = stops.background.clone();
            move || {
                if !stopping.is_cancelled() {
                    control.keys_erased();
                }
            }
        }),
        key_backups_kept: settings.forget.backup_keys_keep.0,
    })
}

/// Begins the roles of this process.
pub(super) async fn begin(
    settings: &ServeSettings,
    places: &Places,
    databases: &Databases,
    (clock, registry): (&Arc<dyn Clock>, &Registry),
    stops: &Stops,
) -> Result<Parts, BootError> {
    let roles = &settings.roles;
    // Whatever can fail comes before the first task.
    let relay_client = match roles.has(Role::Relay) {
        true => Some(streams::for_relay(places, &settings.stream, &databases.background).await?),
        false => None,
    };
    let tail_client = match roles.has(Role::Projector) {
        true => Some(streams::for_readers(places, &settings.stream, &databases.background).await?),
        false => None,
    };
    let hot = places.redis.as_ref().map(|url| HotRedis::open(url.expose())).transpose();
    let hot = hot.map_err(|_| BootError::Url("REDIS_URL", "redis://user:password@host:port"))?;
    let positions = Positions::new(databases.reads.clone());
    let reads = Reads::new(databases.reads.clone(), positions.clone(), databases.replica.clone());
    let outside = places.engines.open(&settings.search.search_namespace, &databases.reads)?;
    let metrics = SearchMetrics::new(registry).map_err(|error| BootError::Other(error.to_string()))?;
    let search = Engines::new(
        outside.clone(),
        PostgresSearch::reading(reads.clone()),
        databases.background.pg().clone(),
        metrics,
    );
    let mut parts = Parts {
        appender: None,
        precedence: None,
        executor: None,
        deps: None,
        relay: None,
        projectors: Vec::new(),
        sealing: None,
        sentinels: None,
        reactors: Vec::new(),
        reads,
        positions,
        stream: relay_client.clone().or_else(|| tail_client.clone()),
        account_map: None,
        hot,
        hot_stats: None,
        live: None,
        cache: Cache::new(&VIEWS, places.redis.as_ref().map(SecretText::expose)),
        search,
        feeders: Vec::new(),
        certificate_key: Arc::new(settings.forget.certificate_key(&settings.place)?),
    };
    if roles.has(Role::Command) || roles.has(Role::Reactor) {
        let log = databases.commands.clone();
        let appender = Appender::start(log.clone(), AppenderConfig::default(), stops.appender.clone());
        let keys: Arc<dyn KeyStore> = Arc::new(databases.keys.clone());
        let sealer = Sealer::new(Arc::clone(&keys));
        let deps = ExecutorDeps { log, appender: appender.clone(), sealer, keys, clock: Arc::clone(clock) };
        let executor = Executor::new(deps.clone(), ExecutorConfig::default());
        if roles.has(Role::Reactor) {
            let forget = forget_deps(settings, places, databases, &executor, &parts, (clock, stops)).await?;
            parts.reactors = reactors::begin(&executor, &appender, databases.background.pg(), forget, stops);
        }
        parts.executor = Some(executor);
        parts.deps = Some(deps);
        parts.appender = Some(appender);
        let mut jobs = log_jobs(Jobs::new(databases.background.pg().clone()));
        if places.log.owner_known {
            jobs = jobs.with(DropGenerations::new(owner_of(places)));
        }
        let keys = PgPoolOptions::new().max_connections(1).idle_timeout(OWNER_REST);
        let keys = keys.connect_lazy_with(places.keys.app.clone());
        jobs = jobs.with(RetentionRun::new(Some(keys), Arc::clone(clock)));
        stops.tasks.spawn(jobs.run(stops.background.clone()));
    }
    let committed = || parts.appender.as_ref().map(Appender::committed);
    let most = settings.precedence.commands_first.0;
    parts.precedence =
        parts.appender.as_ref().map(|appender| Precedence::watch(appender, most, stops.background.clone()));
    let precedence = parts.precedence.clone();
    let pausing = || precedence.as_ref().map(Precedence::follower).unwrap_or_default();
    if let Some(client) = relay_client {
        let log = databases.background.clone();
        let relay = Relay::new(log, client, &streams::contexts(), RelayConfig::default(), committed())
            .giving_way(pausing());
        parts.relay = Some(relay.stats());
        stops.tasks.spawn(relay.run(stops.background.clone()));
    }
    let live_client = match (&tail_client, roles.has(Role::Query)) {
        (_, false) => None,
        (Some(client), true) => Some(client.clone()),
        (None, true) => Some(streams::for_listeners(places, &settings.stream, &databases.background).await?),
    };
    if let Some(client) = tail_client {
        let tail = stream_tail(client, stops.background.clone());
        let positions = Positions::new(databases.background.pg().clone());
        for models in projections::weave::shares() {
            let (tail, positions) = (Some(tail.clone()), Some(positions.clone()));
            let options = RunnerOptions { tail, committed: committed(), positions };
            let runner = Runner::new(databases.background.clone(), models, options).giving_way(pausing());
            parts.projectors.push(runner.stats());
            stops.tasks.spawn(runner.run(stops.background.clone()));
        }
        parts.positions = positions.clone();
        parts.reads = parts.reads.told_by(positions);
        let sentinels = Sentinels::default();
        let watching = sentinels.clone().run(databases.background.pg().clone(), stops.background.clone());
        stops.tasks.spawn(watching);
        parts.sentinels = Some(sentinels);
        if let Some(redis) = &parts.hot {
            let feeder = Feeder::new(redis.clone(), databases.background.pg().clone(), committed())
                .giving_way(pausing());
            parts.hot_stats = Some(feeder.stats());
            stops.tasks.spawn(feeder.run(stops.background.clone()));
        }
        for search in outside {
            let engine = Arc::clone(search.engine());
            let name = engine.name();
            let mut feeder = EngineFeeder::new(engine, databases.background.pg().clone(), committed());
            if let Some(breaker) = parts.search.breaker(name) {
                feeder = feeder.with_breaker(breaker);
            }
            parts.feeders.push((name, feeder.stats()));
            stops.tasks.spawn(feeder.run(stops.background.clone()));
        }
    }
    if roles.has(Role::Sealer) {
        let folder = SignerFolder::in_keys_dir(&settings.place.keys_dir());
        let file = settings.audit.checkpoints(&settings.place);
        let sealing = Sealing::new(databases.background.clone(), folder, file, SealingConfig::default());
        parts.sealing = Some(sealing.stats());
        stops.tasks.spawn(sealing.run(stops.background.clone()));
    }
    let control = Control::connect(places.nats.0.expose(), settings.stream.nats_creds.as_deref()).await?;
    let keys: Arc<dyn KeyStore> = Arc::new(databases.keys.clone());
    stops.tasks.spawn(control.follow(keys, stops.background.clone()));
    if let Some(client) = live_client {
        let sealer = Sealer::new(Arc::new(databases.keys.clone()));
        let presence = Presence::new(Some(client.nats().clone()));
        stops.tasks.spawn(presence.clone().follow(stops.http.clone()));
        let ends = (stops.http.clone(), stops.tasks.clone());
        let origins = settings.later.origins();
        let live = Arc::new(Live::new(databases.reads.clone(), sealer, presence, origins, ends));
        let tail = stream_tail(client, stops.http.clone());
        let log = databases.background.clone();
        stops.tasks.spawn(live::reader::follow(Arc::clone(&live), log, committed(), Some(tail)));
        parts.live = Some(live);
    }
    if roles.has(Role::Query) {
        stops.tasks.spawn(parts.search.clone().watch(stops.background.clone()));
        stops.tasks.spawn(parts.reads.clone().watch(stops.background.clone()));
        // Somebody was forgotten, or a field redacted: read models are new, and answers have to be.
        let kept = parts.cache.clone();
        databases.keys.on_erasure(Box::new(move |_| kept.clear()));
        let following = cache::Follower::new(parts.cache.clone(), parts.reads.clone());
        stops.tasks.spawn(following.run(stops.background.clone()));
        let (map, keys) = (AccountMap::new(), Arc::new(databases.keys.clone()));
        let follower = Follower::new(map.clone(), databases.reads.clone(), Sealer::new(keys));
        parts.account_map = Some(map);
        stops.tasks.spawn(follower.run(stops.background.clone()));
    }
    Ok(parts)
}
