use std::{io, sync::Arc};

use eventstore::{
    audit::SignerFolder,
    keys::{KekRing, KeyStore},
    log,
    seal::Sealer,
};
use kernel::{Clock, SystemClock};
use projections::weave::hot_views::RecentActs;
use prometheus::Registry;

use super::{
    BootError, Running, databases, demo, descriptors, dev,
    migrate::migrate,
    parts::{self, Stops},
    places::{Others, Places, Wanted, find},
    warm,
};
use crate::{
    app::{App, Hot},
    audit::Signers,
    auth::{SigningKey, Verifier, jwt_key_path},
    http::{Edge, Lanes, Server},
    metrics::HttpMetrics,
    openapi,
    routes::all_routes,
    settings::{Role, ServeSettings},
};

/// Where lines for a waiting person go.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// Brings everything up on the machine's clock.
///
/// # Errors
/// [`BootError`]; servers that were started are stopped again.
pub async fn build(settings: &ServeSettings, progress: Progress<'_>) -> Result<Running, BootError> {
    build_with(settings, Arc::new(SystemClock), progress).await
}

/// Brings everything up on a clock of the caller's: what takes a week in the field takes a test
/// no time. Tokens, `occurred_at`, windows and fading go by it.
///
/// # Errors
/// [`BootError`]; servers that were started are stopped again.
pub async fn build_with(
    settings: &ServeSettings,
    clock: Arc<dyn Clock>,
    progress: Progress<'_>,
) -> Result<Running, BootError> {
    for name in settings.later.set() {
        progress(&format!("{name} is set, but what it configures comes with a later version: ignored"));
    }
    let address = settings.http.address();
    let claimed = Server::claim(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BootError::AddressTaken(address),
        _ => BootError::Address { address, error },
    })?;
    descriptors::allow(settings.http.connections, progress);
    let key_path = jwt_key_path(&settings.auth, &settings.place);
    // A key that was named is used or missed; only our own folder gets a new one.
    let key = match settings.auth.jwt_key_file {
        Some(_) => SigningKey::load(&key_path)?,
        None => SigningKey::load_or_create(&key_path)?,
    };
    let ServeSettings { place, database, key_store, stream, redis, search, .. } = settings;
    let secrets = Secrets { key, kek: databases::load_kek(place, key_store)? };
    let wanted = Wanted { place, database, key_store, others: Some(Others { stream, redis, search }) };
    let mut places = find(wanted, progress).await?;
    let stops = Stops::default();
    match up(settings, &places, secrets, clock, &stops, progress).await {
        Ok(edge) => {
            let server = Server::listen(claimed, settings.http.limits());
            let server = server.map_err(|_| BootError::AddressTaken(address))?;
            Running::start(server, edge, stops, places.servers.take())
        }
        Err(error) => {
            stops.background.cancel();
            stops.appender.cancel();
            if let Some(servers) = places.servers.take() {
                // The first error is the one to tell.
                let _ = servers.shutdown().await;
            }
            Err(error)
        }
    }
}

/// Read before anything is started.
struct Secrets {
    key: SigningKey,
    kek: KekRing,
}

async fn up(
    settings: &ServeSettings,
    places: &Places,
    Secrets { key, kek }: Secrets,
    clock: Arc<dyn Clock>,
    stops: &Stops,
    progress: Progress<'_>,
) -> Result<Arc<Edge>, BootError> {
    migrate(places, progress).await?;
    let databases = databases::open(places, kek, settings.key_store.key_lease.0).await?;
    let (leaving, stopping) = (databases.keys.clone(), stops.background.clone());
    stops.tasks.spawn(async move {
        stopping.cancelled().await;
        // Otherwise an erasure waits for our lease to end.
        if let Err(error) = leaving.leave().await {
            tracing::debug!(%error, "the key store was left without a word");
        }
    });
    // Before anybody is served: what a restore may have brought back is taken away again.
    let applied =
        settings.forget.ledger(&settings.place).apply(databases.commands.pg(), &databases.keys).await;
    let applied = applied.map_err(|error| BootError::Other(format!("forgotten persons: {error}")))?;
    if applied.shredded + applied.requests > 0 {
        let (persons, requests) = (applied.shredded, applied.requests);
        tracing::warn!(persons, requests, "forgotten persons had come back and are forgotten again");
    }
    let registry = Registry::new();
    let parts = parts::begin(settings, places, &databases, (&clock, &registry), stops).await?;
    if let (true, Some(executor)) = (places.private_log, &parts.executor) {
        let head = log::head(databases.commands.pg()).await;
        let first_start = head.map_err(|error| BootError::Dev(error.to_string()))?.position == 0;
        if first_start && settings.demo.wanted() {
            demo::begin(&settings.place.data_dir, clock.now())?;
        }
        dev::prepare(&settings.place, executor, &key, &*clock).await?;
        if let (true, Some(deps)) = (settings.demo.wanted(), &parts.deps) {
            demo::load(&settings.place.data_dir, deps, progress).await?;
        }
    }
    let collections = crate::collections();
    let metrics = HttpMetrics::new(&registry).map_err(|error| BootError::Other(error.to_string()))?;
    let keys: Arc<dyn KeyStore> = Arc::new(databases.keys.clone());
    let app = Arc::new(App {
        verifier: Verifier::new(key, Arc::clone(&clock)),
        signers: Signers::in_folder(SignerFolder::in_keys_dir(&settings.place.keys_dir())),
        clock,
        lanes: Lanes::new(databases::READS as usize),
        log: databases.commands.clone(),
        reads: parts.reads,
        search: parts.search,
        feeders: parts.feeders,
        sealer: Sealer::new(Arc::clone(&keys)),
        keys,
        positions: parts.positions,
        executor: parts.executor,
        appender: parts.appender,
        precedence: parts.precedence,
        relay: parts.relay,
        projectors: parts.projectors,
        sealing: parts.sealing,
        sentinels: parts.sentinels,
        reactors: parts.reactors,
        stream: parts.stream,
        account_map: parts.account_map,
        hot: Hot { redis: parts.hot, recent: RecentActs::default(), stats: parts.hot_stats },
        live: parts.live,
        cache: parts.cache,
        certificate_key: parts.certificate_key,
        registry,
        openapi: openapi::json(&collections).into(),
    });
    if settings.roles.has(Role::Query) {
        stops.tasks.spawn(warm::warm(Arc::clone(&app), stops.background.clone()));
    }
    let (router, templates) = all_routes(&collections, &settings.roles).finish(app);
    Ok(Arc::new(Edge::new(router, templates, Arc::new(metrics))))
}
