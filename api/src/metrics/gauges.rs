use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use eventstore::{log, relay::Refusal, subscription::Stats};
use projections::weave::hot_views::HotCondition;
use prometheus::{Gauge, GaugeVec, Opts, Registry};
use tokio::time::timeout;

use super::{caches, jobs};
use crate::app::App;

/// A scrape must end even when the database does not answer; what it would say is then left out.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What is read at the moment of the scrape.
pub(super) async fn collect(app: &App, into: &Registry) -> Result<(), prometheus::Error> {
    let set = |name: &str, help: &str, value: f64| one(into, name, help, value);
    if let Some(appender) = &app.appender {
        let stats = appender.stats();
        set("append_batches_total", "Batches written.", stats.batches.load(Relaxed) as f64)?;
        set("append_requests_total", "Requests in them.", stats.requests.load(Relaxed) as f64)?;
        set("append_events_total", "Events written.", stats.events.load(Relaxed) as f64)?;
        set("append_resent_total", "Batches sent again.", stats.resent.load(Relaxed) as f64)?;
        set("append_queue_used_ratio", "Share of the append queue in use.", appender.pressure())?;
    }
    if let Some(precedence) = &app.precedence {
        let first = f64::from(u8::from(precedence.is_full()));
        set("commands_go_first", "1 while the machine is full and followers of the log pause.", first)?;
    }
    if let Some(executor) = &app.executor {
        let stats = executor.stats();
        let hits = stats.cache_hits.load(Relaxed) as f64;
        set("executor_cache_hits_total", "Aggregates found in memory.", hits)?;
        let misses = stats.cache_misses.load(Relaxed) as f64;
        set("executor_cache_misses_total", "Aggregates read from the log.", misses)?;
        let again = stats.decided_again.load(Relaxed) as f64;
        set("executor_decided_again_total", "Commands decided again after losing.", again)?;
        set("executor_snapshots_total", "Snapshots written.", stats.snapshots.load(Relaxed) as f64)?;
    }
    if let Some(live) = &app.live {
        let registry = &live.registry;
        set(
            "live_listeners",
            "Listeners that are told of events as they come.",
            registry.listeners() as f64,
        )?;
        set("live_position", "Last position listeners were told of.", registry.position() as f64)?;
        let delivered = registry.delivered.load(Relaxed) as f64;
        set("live_delivered_total", "Events put into listeners' queues.", delivered)?;
        let slow = registry.slow.load(Relaxed) as f64;
        set("live_slow_listeners_closed_total", "Listeners cut off because they did not read.", slow)?;
    }
    if let Some(relay) = &app.relay {
        set("relay_position", "Last position known to be in the stream.", relay.position() as f64)?;
        set("relay_lag_events", "Events not in the stream yet.", relay.lag_behind(app.committed()) as f64)?;
        let state = f64::from(relay.state() as u8);
        set("relay_state", "0 starting, 1 publishing, 2 stand-by, 3 waiting, 4 forked, 5 refused.", state)?;
        let refused = GaugeVec::new(
            Opts::new("relay_refused", "1 while the stream takes nothing, for this reason."),
            &["reason"],
        )?;
        into.register(Box::new(refused.clone()))?;
        for reason in Refusal::ALL {
            let so = f64::from(u8::from(relay.refusal() == Some(reason)));
            refused.with_label_values(&[reason.name()]).set(so);
        }
        let published = relay.published.load(Relaxed) as f64;
        set("relay_published_total", "Messages the stream has confirmed.", published)?;
        set("relay_resent_total", "Messages sent again.", relay.resent.load(Relaxed) as f64)?;
    }
    if let Some(sealing) = &app.sealing {
        set("audit_sealed_position", "Last position a checkpoint covers.", sealing.position() as f64)?;
        let lag = sealing.lag_behind(app.committed()) as f64;
        set("audit_seal_lag_events", "Events that no checkpoint covers.", lag)?;
        let age = sealing.last_lag_seconds();
        set("audit_seal_lag_seconds", "Age of the oldest event when the last checkpoint was signed.", age)?;
        let state = f64::from(sealing.state() as u8);
        set(
            "audit_sealer_state",
            "0 starting, 1 sealing, 2 stand-by, 3 waiting, 4 refused, 5 stopped.",
            state,
        )?;
        set("audit_checkpoints_total", "Checkpoints signed by this process.", sealing.seals() as f64)?;
    }
    reactors(app, into)?;
    caches::collect(app, into)?;
    if let Some(stats) = &app.hot.stats {
        let hot = stats.snapshot();
        set("hot_views_lag_events", "Events not in Redis yet.", hot.lag as f64)?;
        set("hot_views_position", "Last position that is in Redis.", hot.position as f64)?;
        let following = f64::from(u8::from(hot.condition == HotCondition::Following));
        set("hot_views_following", "1 while Redis is fed, 0 while it is built anew or away.", following)?;
        set("hot_views_builds_total", "Times it was empty or of another log.", hot.builds as f64)?;
    }
    if let Some(map) = &app.account_map {
        set("account_map_accounts", "Accounts on the map.", map.len() as f64)?;
        let position = map.standing().map_or(0, |standing| standing.position);
        set("account_map_position", "How far the accounts on the map are.", position as f64)?;
    }
    engines(app, into).await?;
    projections(app, into).await?;
    jobs::collect(app, into).await?;
    database(app, into).await
}

fn reactors(app: &App, into: &Registry) -> Result<(), prometheus::Error> {
    let family = |name: &str, help: &str| -> Result<GaugeVec, prometheus::Error> {
        let gauge = GaugeVec::new(Opts::new(name, help), &["reactor"])?;
        into.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    };
    let lag = family("reactor_lag_events", "Events a reactor has not looked at.")?;
    let steps = family("reactor_steps_total", "Appends a reactor has made.")?;
    let troubles = family("reactor_troubles_total", "Steps that failed and were tried again.")?;
    for (name, stats) in &app.reactors {
        lag.with_label_values(&[name]).set(stats.lag() as f64);
        steps.with_label_values(&[name]).set(stats.steps() as f64);
        troubles.with_label_values(&[name]).set(stats.troubles() as f64);
    }
    Ok(())
}

/// The search engines beside Postgres.
async fn engines(app: &App, into: &Registry) -> Result<(), prometheus::Error> {
    let family = |name: &str, help: &str| -> Result<GaugeVec, prometheus::Error> {
        let gauge = GaugeVec::new(Opts::new(name, help), &["engine"])?;
        into.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    };
    let eligible = family("search_engine_eligible", "1 while queries are sent to it.")?;
    let open = family("search_breaker_open", "1 while its failures keep queries away.")?;
    let lag = family("search_engine_lag_events", "Events it has not taken.")?;
    for engine in app.search.health() {
        eligible.with_label_values(&[engine.name]).set(f64::from(u8::from(engine.eligible)));
        open.with_label_values(&[engine.name]).set(f64::from(u8::from(engine.breaker_open)));
        if let Some(events) = engine.lag {
            lag.with_label_values(&[engine.name]).set(events as f64);
        }
    }
    let documents = family("search_indexed_documents_total", "Documents sent to it by this process.")?;
    let seconds = family("search_index_seconds_total", "Time that took, with the answers.")?;
    let builds = family("search_engine_builds_total", "Times it held nothing of this log.")?;
    for (engine, stats) in &app.feeders {
        let stats = stats.snapshot();
        documents.with_label_values(&[engine]).set(stats.documents as f64);
        seconds.with_label_values(&[engine]).set(stats.spent.as_secs_f64());
        builds.with_label_values(&[engine]).set(stats.builds as f64);
    }
    let size = family("search_engine_bytes", "Memory (Typesense) or database (Meilisearch) it uses.")?;
    for (engine, bytes) in timeout(PATIENCE, app.search.sizes()).await.unwrap_or_default() {
        size.with_label_values(&[engine]).set(bytes as f64);
    }
    Ok(())
}

async fn projections(app: &App, into: &Registry) -> Result<(), prometheus::Error> {
    let lag = labelled(into, "projection_lag_events", "Head minus checkpoint of the live generation.")?;
    if let Ok(Ok(lags)) = timeout(PATIENCE, app.positions.lag()).await {
        for (projection, found) in lags {
            lag.with_label_values(&[&projection]).set(found.lag as f64);
        }
    }
    if !app.projectors.is_empty() {
        let parked = labelled(into, "projection_parked_keys", "Keys that wait for a decision.")?;
        let silent = labelled(into, "projection_polled_seconds", "Since it last looked for events.")?;
        for row in app.projectors.iter().flat_map(Stats::snapshot) {
            parked.with_label_values(&[row.projection]).add(row.parked_keys as f64);
            silent.with_label_values(&[row.projection]).set(row.polled_seconds);
        }
    }
    if let Some(sentinels) = &app.sentinels {
        let agrees = labelled(into, "sentinel_agrees", "1 while it got exactly the log's events.")?;
        let missing = labelled(into, "sentinel_missing_events", "Events of the log that never came.")?;
        for one in sentinels.snapshot() {
            let (got, log) = (one.read_model.count, one.log.count);
            agrees.with_label_values(&[&one.projection]).set(f64::from(u8::from(one.agrees())));
            missing.with_label_values(&[&one.projection]).set((log - got) as f64);
        }
    }
    Ok(())
}

async fn database(app: &App, into: &Registry) -> Result<(), prometheus::Error> {
    let pools = GaugeVec::new(Opts::new("pool_connections", "Database connections."), &["pool", "state"])?;
    into.register(Box::new(pools.clone()))?;
    for (name, pool) in [("log", app.log.pg()), ("reads", app.reads.primary())] {
        let idle = pool.num_idle() as f64;
        pools.with_label_values(&[name, "idle"]).set(idle);
        pools.with_label_values(&[name, "busy"]).set(f64::from(pool.size()) - idle);
    }
    if let Some(replica) = app.reads.replica() {
        let usable = f64::from(u8::from(replica.usable));
        one(into, "replica_usable", "1 while queries without Min-Position go to the replica.", usable)?;
        one(into, "replica_lag_events", "Events the replica does not have.", replica.lag as f64)?;
    }
    if let Ok(Ok(head)) = timeout(PATIENCE, log::head(app.log.pg())).await {
        one(into, "log_head_position", "Last position given out.", head.position as f64)?;
        one(into, "log_epoch", "Epoch of the log.", f64::from(head.epoch))?;
    }
    if let Ok(Ok(left)) = timeout(PATIENCE, log::partitions_ahead(app.log.pg())).await {
        one(into, "log_positions_left", "Positions before the last partition is full.", left as f64)?;
    }
    if let Ok(Ok(Some(bytes))) = timeout(PATIENCE, log::backup_wal_kept(app.log.pg())).await {
        one(into, "backup_wal_kept_bytes", "WAL the server keeps until a backup has fetched it.", bytes)?;
    }
    if let Ok(Ok(age)) = timeout(PATIENCE, log::wait_free_snapshot_age(app.log.pg())).await {
        one(into, "postgres_oldest_snapshot_seconds", "Age of the oldest snapshot anybody holds.", age)?;
    }
    Ok(())
}

fn one(into: &Registry, name: &str, help: &str, value: f64) -> Result<(), prometheus::Error> {
    let gauge = Gauge::new(name, help)?;
    gauge.set(value);
    into.register(Box::new(gauge))
}

fn labelled(into: &Registry, name: &str, help: &str) -> Result<GaugeVec, prometheus::Error> {
    let gauge = GaugeVec::new(Opts::new(name, help), &["projection"])?;
    into.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}
