use std::{sync::Arc, time::Duration};

use commands::{
    Executor, ExecutorConfig, ExecutorDeps,
    reactor::ReactorRunner,
    weave::{NextWorks, UnbindWorks, Works},
};
use eventstore::{
    LogPool,
    append::{Appender, AppenderConfig},
    keys::KeyStore,
    log,
    reactor::reactor_checkpoints,
    relay::{Relay, RelayConfig},
    seal::Sealer,
    stream::{StreamClient, epoch_start},
    subscription::{GenerationState, Runner, RunnerOptions, checkpoints, stream_tail},
};
use kernel::SystemClock;
use projections::weave::{
    authorship::{BoundWorks, bound_works},
    hot_views::{Feeder, HotRedis},
};
use sqlx::PgPool;
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{super::names, site::Site};
use crate::{Failure, terminal::Screen};

/// What an application process runs: appender, relay, projector, feeder of Redis, reactor.
pub struct Running {
    pub appender: Appender,
    pub log: LogPool,
    stop_relay: CancellationToken,
    relay: Mutex<Option<JoinHandle<()>>>,
    redis: HotRedis,
    stream: StreamClient,
    stop: CancellationToken,
    stop_appender: CancellationToken,
    tasks: TaskTracker,
}

struct Authorship(PgPool);

impl Works for Authorship {
    async fn next(&self, account: Uuid, after: Uuid, limit: usize) -> Result<NextWorks, String> {
        let works = |found: BoundWorks| NextWorks {
            works: found.works,
            position: found.position,
            parked: found.parked,
        };
        let found = bound_works(&self.0, account, after, i64::try_from(limit).unwrap_or(100)).await;
        found.map(works).map_err(|error| error.to_string())
    }
}

/// The appender alone, for filling the log.
pub struct Writing {
    pub appender: Appender,
    pub sealer: Sealer,
    log: LogPool,
    stop: CancellationToken,
}

impl Writing {
    pub async fn begin(site: &Site) -> Result<Self, Failure> {
        let log = site.log(4).await?;
        let stop = CancellationToken::new();
        let appender = Appender::start(log.clone(), AppenderConfig::default(), stop.clone());
        let sealer = Sealer::new(Arc::new(site.keys().await?));
        Ok(Self { appender, sealer, log, stop })
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.log.pg().close().await;
    }
}

impl Running {
    pub async fn begin(site: &Site) -> Result<Self, Failure> {
        let log = site.log(12).await?;
        let (stop, stop_relay, stop_appender) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        // The drill kills the primary: its callers shall not wait long for their bad news.
        let config = AppenderConfig { patience: Duration::from_secs(1), ..AppenderConfig::default() };
        let appender = Appender::start(log.clone(), config, stop_appender.clone());
        let keys: Arc<dyn KeyStore> = Arc::new(site.keys().await?);
        let (url, epoch) = (site.nats_url(), log.epoch());
        let connect = || StreamClient::connect(&url, None, Site::stream_config(epoch));
        let client = connect().await?;
        client.ensure(epoch_start(log.pg(), log.epoch()).await?).await?;
        let stream = client.clone();
        let relay = Relay::new(
            log.clone(),
            client,
            &names::contexts(),
            RelayConfig::default(),
            Some(appender.committed()),
        );
        let relay = Mutex::new(Some(tasks.spawn(relay.run(stop_relay.clone()))));

        let tail = stream_tail(connect().await?, stop.clone());
        for models in projections::weave::shares() {
            let (tail, committed) = (Some(tail.clone()), Some(appender.committed()));
            let options = RunnerOptions { tail, committed, positions: None };
            tasks.spawn(Runner::new(log.clone(), models, options).run(stop.clone()));
        }

        let redis = HotRedis::open(&site.endpoints().redis_url)?;
        let feeder = Feeder::new(redis.clone(), log.pg().clone(), Some(appender.committed()));
        tasks.spawn(feeder.run(stop.clone()));

        let deps = ExecutorDeps {
            log: log.clone(),
            appender: appender.clone(),
            sealer: Sealer::new(Arc::clone(&keys)),
            keys,
            clock: Arc::new(SystemClock),
        };
        let executor = Executor::new(deps, ExecutorConfig::default());
        let reactor =
            ReactorRunner::new(UnbindWorks(Authorship(log.pg().clone())), executor, appender.committed());
        tasks.spawn(reactor.run(stop.clone()));
        tasks.close();
        Ok(Self { appender, log, stop_relay, relay, redis, stream, stop, stop_appender, tasks })
    }

    /// Ends the relay; nothing is published from here on.
    pub async fn stop_relay(&self) {
        self.stop_relay.cancel();
        if let Some(relay) = self.relay.lock().await.take() {
            // It ended, one way or the other.
            let _ = relay.await;
        }
    }

    /// Until the stream has this position.
    pub async fn until_published(&self, position: i64) -> Result<(), Failure> {
        let since = std::time::Instant::now();
        while self.stream.state().await?.last < position {
            if since.elapsed() > super::site::PATIENCE {
                return Err(Failure::could_not_run("the relay does not get on"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Until stream, read models, reactor and Redis are where the log is.
    pub async fn until_caught_up(&self, screen: &Screen) -> Result<(), Failure> {
        let since = std::time::Instant::now();
        loop {
            let (head, behind) = self.furthest_behind().await?;
            screen.progress("catching up", behind, head);
            if behind >= head {
                screen.finish();
                return Ok(());
            }
            if since.elapsed() > super::site::PATIENCE {
                let behind = format!("read models do not catch up: {behind} of {head}");
                return Err(Failure::could_not_run(behind));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// The head, and the position of whoever is furthest behind it.
    async fn furthest_behind(&self) -> Result<(i64, i64), Failure> {
        let head = log::head(self.log.pg()).await?.position;
        let mut lowest = head;
        for checkpoint in checkpoints(self.log.pg()).await? {
            if checkpoint.state == GenerationState::Live {
                lowest = lowest.min(checkpoint.position);
            }
        }
        // It writes its point down only now and then when there is nothing to do: what matters is
        // that nobody who left still waits for it.
        let left = sqlx::query_scalar!(
            r#"select coalesce(max(position), 0) as "position!" from events where type = 'AccountLeft'"#
        );
        let left = left.fetch_one(self.log.pg()).await?;
        for reactor in reactor_checkpoints(self.log.pg()).await? {
            if reactor.point.position < left {
                lowest = lowest.min(reactor.point.position);
            }
        }
        if let Ok(state) = self.stream.state().await {
            lowest = lowest.min(state.last);
        }
        match self.redis.live().await {
            Ok(Some(at)) if at.epoch == self.log.epoch() => lowest = lowest.min(at.position),
            // Being built, or still of the epoch before.
            _ => lowest = lowest.min(head - 1),
        }
        Ok((head, lowest.max(0)))
    }

    /// The process is gone; its connections too.
    pub async fn end(self) {
        self.stop_relay.cancel();
        self.stop.cancel();
        // A killed primary leaves tasks waiting for connections that never come.
        let _ = tokio::time::timeout(Duration::from_secs(10), self.tasks.wait()).await;
        self.stop_appender.cancel();
        drop(self.appender);
        let _ = tokio::time::timeout(Duration::from_secs(2), self.log.pg().close()).await;
    }
}
