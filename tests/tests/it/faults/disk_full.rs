//! Full disks, for real: servers whose data lies on a small tmpfs. It is mounted in a namespace of
//! its own, where anybody may, and goes away with it: the test binary starts itself again in there.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::Command,
    sync::atomic::Ordering,
    time::Duration,
};

use embedded::{Cluster, NatsUser, Part, Parts, Settings};
use eventstore::{
    StoreError,
    append::{Append, Appender, AppenderConfig, Outcome},
    relay::{RelayConfig, RelayState},
    stream::StreamClient,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    relay::{Line, config, until},
    support::{NatsEnv, event, store, thing},
};

const DISK: &str = "WG_DISK";

/// Runs a test of this module on a disk of so many MiB. Says so where that is not allowed.
fn on_a_small_disk(test: &str, mebibytes: u32) {
    let folder = tempfile::Builder::new().prefix("wg-it-disk-").tempdir().unwrap();
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--", "sh", "-ec", script, "sh"]);
        command.arg(folder.path()).arg(std::env::current_exe().unwrap()).arg(test);
        command.env("SIZE", format!("{mebibytes}m")).env(DISK, folder.path());
        command.output().unwrap()
    };
    let mount = "mount -t tmpfs -o size=$SIZE,mode=0711 tmpfs \"$1\"";
    let tried = inside(mount);
    if !tried.status.success() {
        println!("SKIPPED disk full: no tmpfs here: {}", String::from_utf8_lossy(&tried.stderr).trim());
        return;
    }
    let run = inside(&format!("{mount}\nexec \"$2\" --exact \"$3\" --ignored --nocapture"));
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

fn disk() -> PathBuf {
    std::env::var_os(DISK).expect("started by the test of the same name").into()
}

/// Takes all the room that is left.
fn fill() -> PathBuf {
    let path = disk().join("ballast");
    let mut file = File::create(&path).unwrap();
    for size in [1 << 20, 4 << 10] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
    path
}

#[test]
fn a_full_disk_under_the_log_refuses_and_loses_nothing() {
    on_a_small_disk("faults::disk_full::log_on_a_full_disk", 260);
}

#[test]
fn a_full_disk_under_nats_refuses_no_append_and_is_made_up_for() {
    on_a_small_disk("faults::disk_full::nats_on_a_full_disk", 24);
}

fn append(id: Uuid) -> Append {
    // Large enough that the log's own reserves do not last for ever.
    let events = (0..20).map(|n| event(json!({"n": n, "text": "x".repeat(20_000)}))).collect();
    let write =
        eventstore::append::Write { aggregate: thing(id), expected_version: 0, events, external_id: None };
    Append { writes: vec![write], ..Append::default() }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test on a disk of its own"]
async fn log_on_a_full_disk() {
    let mut own = own_cluster_on(&disk()).await;
    let stop = CancellationToken::new();
    let config = AppenderConfig { patience: Duration::from_secs(2), ..AppenderConfig::default() };
    let appender = Appender::start(own.env.log.clone(), config, stop.clone());
    let mut acknowledged = vec![];
    for _ in 0..20 {
        let request = append(Uuid::now_v7());
        assert!(matches!(appender.append(request.clone()).await, Ok(Outcome::Committed(_))));
        acknowledged.push(request);
    }
    let ballast = fill();
    let mut refused = vec![];
    for _ in 0..400 {
        let request = append(Uuid::now_v7());
        match appender.append(request.clone()).await {
            Ok(Outcome::Committed(_)) => acknowledged.push(request),
            // Nobody is blamed for a full disk, and nobody is told that it went well.
            Err(StoreError::Unavailable(_) | StoreError::OutcomeUnknown) => refused.push(request),
            other => panic!("{other:?}"),
        }
        if refused.len() >= 3 {
            break;
        }
    }
    assert!(refused.len() >= 3, "the disk was never full");
    fs::remove_file(ballast).unwrap();
    if own.cluster.ended().contains(&Part::Log)
        || sqlx::query("select 1").execute(&own.env.owner_pool).await.is_err()
    {
        own.cluster.restart(Part::Log).await.unwrap();
    }
    // The same requests again: whatever became of them, they are there once.
    for request in refused {
        let mut outcome = appender.append(request.clone()).await;
        for _ in 0..10 {
            if outcome.is_ok() {
                break;
            }
            outcome = appender.append(request.clone()).await;
        }
        match outcome {
            Ok(Outcome::Committed(_)) => {}
            // It was in the log when its outcome was unknown.
            Ok(Outcome::Conflict { actual, .. }) => assert_eq!(actual, 20),
            other => panic!("{other:?}"),
        }
        acknowledged.push(request);
    }
    let rows: Vec<(i64, Uuid)> = sqlx::query_as("select position, event_id from events order by position")
        .fetch_all(&own.env.owner_pool)
        .await
        .unwrap();
    let positions: Vec<i64> = rows.iter().map(|row| row.0).collect();
    assert_eq!(positions, (1..=rows.len() as i64).collect::<Vec<_>>(), "a gap");
    let mut stored: Vec<Uuid> = rows.iter().map(|row| row.1).collect();
    let mut told: Vec<Uuid> = acknowledged
        .iter()
        .flat_map(|request| &request.writes[0].events)
        .map(|event| event.event_id)
        .collect();
    stored.sort_unstable();
    told.sort_unstable();
    assert!(stored == told, "{} events in the log, {} told", stored.len(), told.len());
    stop.cancel();
}

/// The log's server with its data on this disk.
async fn own_cluster_on(folder: &std::path::Path) -> crate::support::OwnCluster {
    crate::support::own_cluster_in(
        folder,
        &[
            ("min_wal_size", "32MB"),
            ("max_wal_size", "48MB"),
            ("wal_init_zero", "off"),
            ("wal_recycle", "off"),
        ],
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test on a disk of its own"]
async fn nats_on_a_full_disk() {
    let folder = tempfile::Builder::new().prefix("nats-").tempdir_in(disk()).unwrap();
    let mut settings = Settings::for_tests(folder.path());
    settings.parts = Parts { nats: true, ..Parts::NONE };
    let cluster = Cluster::start(settings, &|_| {}).await.unwrap();
    let nats = NatsEnv { cluster, folder };
    let client = StreamClient::connect(&nats.url_for(NatsUser::Relay), None, config()).await.unwrap();
    let mut line = Line { store: store().await, nats, client };
    let (stats, _task) = line.run(RelayConfig::default()).await;
    line.append(500).await;
    line.until_equal().await;
    let ballast = fill();
    // Goes on as if nothing were: the stream is not what an append waits for.
    for _ in 0..30 {
        let outcome = line.store.appender.append(append(Uuid::now_v7())).await;
        assert!(matches!(outcome, Ok(Outcome::Committed(_))), "{outcome:?}");
    }
    let mut waited = 0;
    while stats.resent.load(Ordering::Relaxed) < 1_000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        waited += 1;
        assert!(waited < 1_200, "the disk is full, and the stream takes everything: {stats:?}");
    }
    assert!(stats.position() < 500 + 600, "{stats:?}");
    until("it says so", || stats.state() == RelayState::Refused).await;
    // It says so for as long as it lasts, and not that it publishes.
    for _ in 0..20 {
        assert_eq!(stats.state(), RelayState::Refused, "{stats:?}");
        assert!(stats.refusal().is_some(), "{stats:?}");
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
    let told = problem(&line).await.unwrap_or_default();
    assert!(told.starts_with("the stream refuses everything"), "{told:?}");
    fs::remove_file(ballast).unwrap();
    // After a full disk the server publishes again only when it has been started anew.
    line.nats.cluster.kill9(Part::Nats);
    line.nats.cluster.restart(Part::Nats).await.unwrap();
    assert_eq!(line.until_equal().await.last, 500 + 600);
    until("the relay is well again", || stats.state() == RelayState::Publishing).await;
    assert_eq!(stats.refusal(), None);
    for _ in 0..100 {
        if problem(&line).await.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the outbox still tells of a problem");
}

/// What the outbox says to who looks at the database only.
async fn problem(line: &Line) -> Option<String> {
    sqlx::query_scalar("select problem from outbox").fetch_one(&line.store.env.owner_pool).await.unwrap()
}
