//! The relay: whatever happens to NATS, to the stream or to another relay, the stream ends up
//! equal to the log; and where the two contradict each other, nothing is published.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use embedded::{NatsUser, Part};
use eventstore::{
    append::Append,
    log::PageLimit,
    precedence::Precedence,
    relay::{Relay, RelayConfig, RelayError, RelayState, RelayStats, Step},
    stream::{Contexts, StreamClient, StreamConfig, StreamReport, rebuild, verify},
};
use kernel::{Name, Position};
use rand::RngExt;
use serde_json::json;
use sqlx::Row;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::{NatsEnv, Store, event, nats_env, store, thing};

/// A log, a stream and the way between them.
pub struct Line {
    pub store: Store,
    pub nats: NatsEnv,
    pub client: StreamClient,
}

pub fn config() -> StreamConfig {
    StreamConfig {
        max_bytes: 256 << 20,
        request_timeout: Duration::from_secs(1),
        ..StreamConfig::embedded(1)
    }
}

pub fn contexts() -> Contexts {
    Arc::new(HashMap::from([(Name::constant("thing"), Name::constant("tests"))]))
}

pub async fn line() -> Line {
    let (store, nats) = tokio::join!(store(), nats_env());
    let client = StreamClient::connect(&nats.url_for(NatsUser::Relay), None, config()).await.unwrap();
    Line { store, nats, client }
}

impl Line {
    pub async fn client_of(&self, user: NatsUser) -> StreamClient {
        StreamClient::connect(&self.nats.url_for(user), None, config()).await.unwrap()
    }

    /// A relay of its own connection.
    pub async fn relay(&self, config: RelayConfig) -> Relay {
        let client = self.client_of(NatsUser::Relay).await;
        let wake = Some(self.store.appender.committed());
        Relay::new(self.store.env.log.clone(), client, &contexts(), config, wake)
    }

    /// Lets a relay run; its counters.
    pub async fn run(&self, config: RelayConfig) -> (Arc<RelayStats>, JoinHandle<()>) {
        let relay = self.relay(config).await;
        (relay.stats(), tokio::spawn(relay.run(self.store.stop.clone())))
    }

    pub async fn publish_all(&self) {
        self.relay(no_lease()).await.drain(&mut |_| {}).await.unwrap();
    }

    pub async fn append(&self, events: usize) {
        append(&self.store, events).await;
    }

    pub async fn compare(&self) -> StreamReport {
        verify(&self.store.env.log, &self.client, 1..=Position::MAX).await.unwrap()
    }

    /// Waits until the stream holds the whole log, and nothing else.
    pub async fn until_equal(&self) -> StreamReport {
        for _ in 0..600 {
            if let Ok(report) = verify(&self.store.env.log, &self.client, 1..=Position::MAX).await
                && report.not_yet == 0
                && report.is_equal()
            {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("stream and log never became equal: {:?}", self.compare().await);
    }
}

/// Everybody publishes without asking: what keeps them apart is the stream alone.
pub fn no_lease() -> RelayConfig {
    RelayConfig { lease: None, ack_timeout: Duration::from_millis(500), ..RelayConfig::default() }
}

async fn append(store: &Store, events: usize) {
    for chunk in (0..events).collect::<Vec<_>>().chunks(100) {
        let events = chunk.iter().map(|n| event(json!({ "n": n }))).collect();
        let write = eventstore::append::Write {
            aggregate: thing(Uuid::now_v7()),
            expected_version: 0,
            events,
            external_id: None,
        };
        store.appender.append(Append { writes: vec![write], ..Append::default() }).await.unwrap();
    }
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..600 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

fn copy_folder(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let status = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_stands_at_the_sequence_that_is_its_position() {
    let line = line().await;
    line.append(5_000).await;
    let mut relay = line.relay(RelayConfig::default()).await;
    relay.drain(&mut |_| {}).await.unwrap();
    assert_eq!(relay.step().await.unwrap(), Step::Idle);
    let report = line.compare().await;
    assert_eq!((report.first, report.last, report.equal), (1, 5_000, 5_000));
    assert!(report.is_equal());
    let row =
        sqlx::query("select epoch, position from outbox").fetch_one(line.store.env.log.pg()).await.unwrap();
    assert_eq!((row.get::<i32, _>("epoch"), row.get::<i64, _>("position")), (1, 5_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_and_ten_kills_of_nats_leave_the_stream_equal_to_the_log() {
    let mut line = line().await;
    let relays = [line.run(no_lease()).await, line.run(no_lease()).await];
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (appender, done) = (line.store.appender.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let id = Uuid::now_v7();
                let mut version = 0;
                while !done.load(Ordering::Relaxed) {
                    // A relay that cannot publish must never show here.
                    appender.append(crate::support::write(id, version)).await.unwrap();
                    version += 1;
                }
                version
            })
        })
        .collect();
    for _ in 0..10 {
        let pause = rand::rng().random_range(30..300);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        line.nats.cluster.kill9(Part::Nats);
        line.nats.cluster.restart(Part::Nats).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let mut appended = 0;
    for writer in writers {
        appended += writer.await.unwrap();
    }
    let report = line.until_equal().await;
    assert_eq!(report.last, appended);
    for (stats, _) in relays {
        until("the relay catches up", || stats.lag() == 0).await;
        assert_eq!(stats.state(), RelayState::Publishing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_is_made_again_and_filled() {
    let line = line().await;
    let (stats, _task) = line.run(RelayConfig::default()).await;
    line.append(3_000).await;
    line.until_equal().await;
    for _ in 0..3 {
        line.client.delete().await.unwrap();
        line.append(200).await;
        let report = line.until_equal().await;
        assert_eq!((report.first, report.below_first), (1, 0));
    }
    assert_eq!(stats.created.load(Ordering::Relaxed), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_stream_goes_on_where_it_was() {
    let line = line().await;
    line.append(1_000).await;
    line.publish_all().await;
    let admin = line.client_of(NatsUser::Admin).await;
    admin.jetstream().get_stream("EVENTS").await.unwrap().purge().await.unwrap();
    line.append(100).await;
    line.publish_all().await;
    let report = line.compare().await;
    assert_eq!((report.first, report.last, report.equal, report.below_first), (1_001, 1_100, 100, 1_000));
    assert!(report.is_equal());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_rolled_back_to_an_older_copy_is_filled_again() {
    let mut line = line().await;
    let (stats, _task) = line.run(RelayConfig::default()).await;
    line.append(700).await;
    line.until_equal().await;
    let store = line.nats.folder.path().join("nats/jetstream");
    let copy = line.nats.folder.path().join("older");
    line.nats.cluster.kill9(Part::Nats);
    copy_folder(&store, &copy);
    line.nats.cluster.restart(Part::Nats).await.unwrap();
    line.append(1_500).await;
    line.until_equal().await;
    line.nats.cluster.kill9(Part::Nats);
    copy_folder(&copy, &store);
    line.nats.cluster.restart(Part::Nats).await.unwrap();
    line.append(10).await;
    assert_eq!(line.until_equal().await.last, 2_210);
    assert!(stats.rolled_back.load(Ordering::Relaxed) >= 1);
    assert_eq!(stats.state(), RelayState::Publishing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_message_at_the_next_sequence_is_a_fork_and_stops_the_relay() {
    let line = line().await;
    line.append(50).await;
    line.publish_all().await;
    let admin = line.client_of(NatsUser::Admin).await;
    let ack = admin.jetstream().publish("events.tests.thing", "not an event".into()).await.unwrap();
    assert_eq!(ack.await.unwrap().sequence, 51);
    let mut relay = line.relay(no_lease()).await;
    let stats = relay.stats();
    // The log is shorter than the stream, then as long with something else at the end.
    for _ in 0..2 {
        let error = relay.drain(&mut |_| {}).await.unwrap_err();
        assert!(matches!(error, RelayError::Fork { position: 51, .. }), "{error}");
        assert_eq!(stats.state(), RelayState::Forked);
        line.append(20).await;
    }
    assert_eq!(line.client.state().await.unwrap().last, 51);
    // Repaired, the same relay goes on.
    rebuild(&line.store.env.log, &line.client, &contexts(), |_, _| {}).await.unwrap();
    relay.drain(&mut |_| {}).await.unwrap();
    assert_eq!(stats.state(), RelayState::Publishing);
    assert_eq!(line.until_equal().await.last, 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_relay_that_meets_a_foreign_message_stops() {
    let line = line().await;
    let (stats, _task) = line.run(no_lease()).await;
    line.append(10).await;
    line.until_equal().await;
    let admin = line.client_of(NatsUser::Admin).await;
    admin.jetstream().publish("events.tests.thing", "{}".into()).await.unwrap().await.unwrap();
    // Published without waiting for each other: the first is refused, the others fit behind the
    // foreign message, and the last one is right.
    line.append(10).await;
    until("the relay sees the fork", || stats.state() == RelayState::Forked).await;
    assert_eq!(stats.position(), 10);
    let report = line.compare().await;
    assert_eq!(report.first_difference.map(|difference| difference.position()), Some(11));
    // So does one that starts now, although the cursor may be ahead and the last message is right.
    let error = line.relay(no_lease()).await.drain(&mut |_| {}).await.unwrap_err();
    assert!(matches!(error, RelayError::Fork { position: 11, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_another_history_is_a_fork() {
    let line = line().await;
    line.append(30).await;
    line.publish_all().await;
    for events in [0, 30, 40] {
        let other = store().await;
        append(&other, events).await;
        let log = other.env.log.clone();
        let mut relay = Relay::new(log, line.client.clone(), &contexts(), no_lease(), None);
        let error = relay.drain(&mut |_| {}).await.unwrap_err();
        assert!(matches!(error, RelayError::Fork { .. }), "{events}: {error}");
    }
    assert!(line.compare().await.is_equal());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_relay_does_no_harm() {
    let line = line().await;
    line.append(2_000).await;
    let small = RelayConfig { window: 64, page: PageLimit { events: 100, bytes: 1 << 20 }, ..no_lease() };
    let mut paused = line.relay(small).await;
    while paused.stats().position() < 150 {
        paused.step().await.unwrap();
    }
    // It has a page in hand and messages on their way, and stops. Another goes past it.
    line.publish_all().await;
    line.append(500).await;
    line.publish_all().await;
    assert!(line.compare().await.is_equal());
    // It wakes up in the belief that it is in the middle of its page.
    line.append(300).await;
    paused.drain(&mut |_| {}).await.unwrap();
    assert_eq!(paused.stats().state(), RelayState::Publishing);
    let report = line.compare().await;
    assert_eq!((report.last, report.equal), (2_800, 2_800));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_lets_one_publish_and_the_other_take_over() {
    let line = line().await;
    let config = RelayConfig { lease: Some(Duration::from_millis(600)), ..RelayConfig::default() };
    let (mut first, mut second) = (line.relay(config.clone()).await, line.relay(config).await);
    line.append(100).await;
    first.drain(&mut |_| {}).await.unwrap();
    assert_eq!(second.step().await.unwrap(), Step::StandBy);
    assert_eq!(second.stats().state(), RelayState::StandBy);
    // The first one is silent for longer than its lease.
    tokio::time::sleep(Duration::from_millis(700)).await;
    line.append(100).await;
    second.drain(&mut |_| {}).await.unwrap();
    assert_eq!(second.stats().position(), 200);
    assert_eq!(first.step().await.unwrap(), Step::StandBy);
    assert!(line.compare().await.is_equal());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_relay_gives_its_lease_back() {
    let line = line().await;
    let long = RelayConfig { lease: Some(Duration::from_secs(60)), ..RelayConfig::default() };
    let relay = line.relay(long).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let stats = relay.stats();
    let task = tokio::spawn(relay.run(stop.clone()));
    line.append(100).await;
    until("published", || stats.position() == 100).await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(stats.state(), RelayState::Stopped);
    let mut next = line.relay(RelayConfig::default()).await;
    assert_eq!(next.step().await.unwrap(), Step::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_gives_way_to_commands_keeps_its_lease() {
    let line = line().await;
    let (told, full) = tokio::sync::watch::channel(true);
    let lease = Duration::from_secs(2);
    let config = RelayConfig { lease: Some(lease), ..RelayConfig::default() };
    let pausing = Precedence::told(full, Duration::from_secs(600)).follower();
    let relay = line.relay(config.clone()).await.giving_way(pausing);
    let stats = relay.stats();
    let _task = tokio::spawn(relay.run(line.store.stop.clone()));
    line.append(100).await;
    let look = async || {
        let row = sqlx::query(
            "select lease_owner::text as owner, extract(epoch from lease_until)::float8 as until from outbox",
        );
        let row = row.fetch_optional(line.store.env.log.pg()).await.unwrap();
        row.map(|row| (row.get::<Option<String>, _>("owner"), row.get::<Option<f64>, _>("until")))
    };
    let mut first = None;
    for _ in 0..1_200 {
        if let Some((owner, Some(until))) = look().await {
            let (first_owner, first_until) = first.get_or_insert((owner.clone(), until));
            assert_eq!(&owner, first_owner, "the lease went to another");
            // Longer than any lease that was not renewed while it paused.
            if until > *first_until + lease.as_secs_f64() {
                break;
            }
        }
        assert_eq!(stats.position(), 0, "it was to pause");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut other = line.relay(config).await;
    assert_eq!(other.step().await.unwrap(), Step::StandBy, "a lease that ran out while its holder paused");
    assert_eq!(stats.position(), 0, "it was to pause");
    told.send_replace(false);
    assert_eq!(line.until_equal().await.last, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_goes_on_under_an_endless_load_once_it_has_given_way_for_long_enough() {
    let line = line().await;
    // There is never room again.
    let (_told, full) = tokio::sync::watch::channel(true);
    let pausing = Precedence::told(full, Duration::from_secs(4)).follower();
    let relay = line.relay(RelayConfig::default()).await.giving_way(pausing);
    let stats = relay.stats();
    let _task = tokio::spawn(relay.run(line.store.stop.clone()));
    let busy = AtomicBool::new(true);
    let load = async {
        let mut appended = 0;
        while busy.load(Ordering::Relaxed) {
            line.append(20).await;
            appended += 20;
        }
        appended
    };
    let looking = async {
        until("it gives way", || stats.head() > 200 && stats.position() == 0).await;
        until("it goes on", || stats.position() > 2_000).await;
        // And not for a moment only: it never was at the head, so it gives way no more.
        let further = stats.position() + 2_000;
        until("it goes on further", || stats.position() > further).await;
        busy.store(false, Ordering::Relaxed);
    };
    let (appended, ()) = tokio::join!(load, looking);
    assert_eq!(line.until_equal().await.last, appended);
}
