//! Processes that rebuild die at every named point, three passes each, under readers and a writer:
//! nobody sees a gap, an empty or a mixed result, and the next process ends what was begun.

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use eventstore::{
    generation::{build_past, drop_expired, drop_past, past_read_models, rebuild as rebuild_all, verify},
    subscription::{GenerationState, checkpoints},
};
use serde_json::json;
use sqlx::{ConnectOptions, PgPool, Row, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::start;
use crate::{
    subscription::toy::{done, many, registry},
    support::{LogEnv, Store, Worker, store},
};

const PASSES: u32 = 3;
/// What stands in the sources; a point more there fails a test here.
const REBUILD: [&str; 3] = ["rebuild.after-page", "swap.before-commit", "swap.after-commit"];
const PAST: [&str; 2] = ["rebuild.past-after-page", "rebuild.past-before-ready"];
const SIGABRT: i32 = 6;
/// More than two pages, so that there is a third one.
const EVENTS: usize = 41_000;
const UNTIL: i64 = 40_500;

async fn owner() -> PgPool {
    let url = std::env::var("WG_OWNER").unwrap();
    PgPoolOptions::new().max_connections(8).connect(&url).await.unwrap()
}

/// Not a test: what a worker process does.
pub async fn rebuild() {
    rebuild_all(&owner().await, &registry(), &|_| {}, &CancellationToken::new()).await.unwrap();
    println!("rebuilt");
}

/// Not a test: what a worker process does.
pub async fn rebuild_past() {
    build_past(&owner().await, &registry(), UNTIL, &|_| {}, &CancellationToken::new()).await.unwrap();
    println!("rebuilt");
}

/// A process that does the job until it dies at the point (`name:pass`), or to its end without one.
async fn process(env: &LogEnv, job: &str, armed: Option<&str>) {
    let url = env.owner_options.to_url_lossy().to_string();
    let mut extra = vec![("WG_OWNER", url)];
    extra.extend(armed.map(|armed| ("CRASH_AT", armed.to_owned())));
    let mut worker = Worker::start(env, job, &extra);
    let status = tokio::task::spawn_blocking(move || (worker.child.wait().unwrap(), worker)).await.unwrap();
    let (status, worker) = status;
    match armed {
        Some(armed) => assert_eq!(status.signal(), Some(SIGABRT), "{armed}: it ended otherwise: {status}"),
        None => {
            assert!(status.success(), "{job}: {status}");
            drop(worker);
        }
    }
}

fn named(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            named(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let names = text.split("crash_point!(\"").skip(1).filter_map(|part| part.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_crash_point_of_a_rebuild_is_swept() {
    let mut found = BTreeSet::new();
    named(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../eventstore/src/generation")), &mut found);
    let swept: BTreeSet<String> = REBUILD.iter().chain(&PAST).map(|name| (*name).to_owned()).collect();
    assert_eq!(found, swept);
}

/// Readers that hammer the views until they are told to stop: each answer is whole, of one
/// generation, and none is older than the one before.
struct Readers {
    busy: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Readers {
    async fn start(store: &Store) -> Self {
        let (busy, reads) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let pool =
            PgPoolOptions::new().max_connections(3).connect_with(store.env.options.clone()).await.unwrap();
        let tasks = (0..3)
            .map(|n| {
                let (pool, busy, reads) = (pool.clone(), Arc::clone(&busy), Arc::clone(&reads));
                let view = ["tallies", "mirror", "tallies"][n];
                tokio::spawn(async move {
                    // Every thing was counted once per event, so the sum is the position.
                    let sql = format!(
                        "select (select position from read.{view}_checkpoint),
                                (select coalesce(sum(count), 0)::bigint from read.{view}),
                                (select generation from read.{view}_checkpoint)"
                    );
                    let (mut last, mut newest) = (0, 0);
                    while busy.load(Ordering::SeqCst) {
                        let row = sqlx::query(&sql).fetch_one(&pool).await.unwrap();
                        let (position, total, generation): (i64, i64, i32) =
                            (row.get(0), row.get(1), row.get(2));
                        assert_eq!(position, total, "{view}, generation {generation}: mixed, or a gap");
                        assert!(
                            position >= last && position > 0,
                            "{view} went back from {last} to {position}"
                        );
                        assert!(generation >= newest, "{view}: {generation} after {newest}");
                        (last, newest) = (position, generation);
                        reads.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        Self { busy, reads, tasks }
    }

    /// That they read on, and what they saw.
    async fn read_on(&self) {
        let before = self.reads.load(Ordering::SeqCst);
        while self.reads.load(Ordering::SeqCst) < before + 20 {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a reader saw what it must not");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) -> u64 {
        self.busy.store(false, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.reads.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_dies_at_any_named_point_is_ended_by_the_next_process_and_no_reader_notices() {
    let store = Arc::new(store().await);
    let running = start(&store, &registry()).await;
    many(&store, 100, EVENTS).await;
    let filled = running.positions.wait_for("tallies", EVENTS as i64, Duration::from_secs(60)).await;
    assert!(matches!(filled, eventstore::subscription::Waited::Reached(_)), "{filled:?}");
    running.positions.wait_for("mirror", EVENTS as i64, Duration::from_secs(60)).await;
    let readers = Readers::start(&store).await;
    let writing = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn({
        let (store, writing) = (Arc::clone(&store), Arc::clone(&writing));
        async move {
            while writing.load(Ordering::SeqCst) {
                done(&store, Uuid::now_v7(), vec![json!({}), json!({})]).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    let owner = &store.env.owner_pool;
    let mut generation = 1;
    for point in REBUILD {
        for pass in 1..=PASSES {
            process(&store.env, "rebuild", Some(&format!("{point}:{pass}"))).await;
            readers.read_on().await;
            let rows = checkpoints(owner).await.unwrap();
            let live = rows.iter().filter(|row| row.state == GenerationState::Live).count();
            assert_eq!(live, 3, "{point}, pass {pass}: each read model has one that lives");
            let switched = rows
                .iter()
                .filter(|row| row.state == GenerationState::Live && row.generation > generation)
                .count();
            let died_after: usize = match point {
                "swap.before-commit" => pass as usize - 1,
                "swap.after-commit" => pass as usize,
                _ => 0,
            };
            assert_eq!(switched, died_after, "{point}, pass {pass}: a switch is whole or none");
            // The next process ends it: those that are switched already get another one.
            process(&store.env, "rebuild", None).await;
            readers.read_on().await;
            let rows = checkpoints(owner).await.unwrap();
            assert!(
                rows.iter().all(|row| row.state != GenerationState::Building),
                "{point}, pass {pass}: something is left behind: {rows:#?}"
            );
            generation = rows.iter().map(|row| row.generation).max().unwrap();
            // All at one number again, so that the next round counts from it.
            while rows.iter().any(|row| row.state == GenerationState::Live && row.generation < generation) {
                let behind: Vec<String> = checkpoints(owner)
                    .await
                    .unwrap()
                    .into_iter()
                    .filter(|row| row.state == GenerationState::Live && row.generation < generation)
                    .map(|row| row.projection)
                    .collect();
                if behind.is_empty() {
                    break;
                }
                let registry = registry().only(&behind).unwrap();
                rebuild_all(owner, &registry, &|_| {}, &CancellationToken::new()).await.unwrap();
            }
            drop_expired(owner, Duration::ZERO).await.unwrap();
        }
    }
    writing.store(false, Ordering::SeqCst);
    writer.await.unwrap();
    let reads = readers.stop().await;
    assert!(reads > 200, "{reads} reads are no hammering");
    let verified = verify(owner, &registry(), &|_| {}, &CancellationToken::new()).await.unwrap();
    assert!(verified.iter().all(eventstore::generation::Verified::agrees), "{verified:#?}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_the_past_that_dies_at_any_named_point_is_ended_by_the_next_process() {
    let store = store().await;
    let registry = registry();
    eventstore::generation::install(&store.env.owner_pool, &registry).await.unwrap();
    many(&store, 100, EVENTS).await;
    let owner = &store.env.owner_pool;
    for point in PAST {
        for pass in 1..=PASSES {
            process(&store.env, "rebuild-past", Some(&format!("{point}:{pass}"))).await;
            let half = past_read_models(owner).await.unwrap();
            let ready = half.iter().filter(|one| one.ready).count();
            let filled = half.iter().map(|one| one.filled_to).min().unwrap();
            match point {
                "rebuild.past-after-page" => {
                    assert_eq!(ready, 0);
                    // A crash takes no page back that was flushed since; never does it go beyond.
                    assert!(filled <= UNTIL, "pass {pass}: {filled}");
                }
                _ => assert_eq!((ready, filled), (pass as usize - 1, UNTIL), "{half:#?}"),
            }
            process(&store.env, "rebuild-past", None).await;
            let whole = past_read_models(owner).await.unwrap();
            assert!(
                whole.len() == 3 && whole.iter().all(|one| one.ready),
                "{point}, pass {pass}: {whole:#?}"
            );
            let sum: i64 =
                sqlx::query_scalar(&format!("select sum(count)::bigint from read_at_{UNTIL}.tallies"))
                    .fetch_one(owner)
                    .await
                    .unwrap();
            assert_eq!(sum, UNTIL, "{point}, pass {pass}: each event once");
            for one in whole {
                assert!(drop_past(owner, &one.projection, UNTIL).await.unwrap());
            }
        }
    }
}
