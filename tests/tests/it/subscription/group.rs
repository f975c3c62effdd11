//! Several read models, several runners.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use eventstore::precedence::Precedence;
use eventstore::subscription::{Condition, Registry, Runner, RunnerOptions, Waited, sentinel_check};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::toy::{Idle, Mirror, Tallies, done, many, registry, runner, settle, shown};
use crate::support::store;

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_read_model_leaves_the_others_alone_and_comes_back() {
    let store = store().await;
    let mirror = Mirror::default();
    let broken = mirror.broken.clone();
    broken.store(true, Ordering::SeqCst);
    let registry = Registry::new().with(Tallies::default()).with(mirror).with(Idle::default());
    let runner = runner(&store, &registry, RunnerOptions::default()).await;
    let (positions, stats) = (runner.positions(), runner.stats());
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));
    many(&store, 5, 3_000).await;
    assert!(matches!(positions.wait_for("tallies", 3_000, Duration::from_secs(5)).await, Waited::Reached(_)));
    assert_eq!(positions.wait_for("mirror", 1, Duration::from_millis(300)).await, Waited::TimedOut);
    let mut mirror = None;
    // Which of its attempts is noticed first is a matter of timing.
    for _ in 0..200 {
        mirror = stats.snapshot().into_iter().find(|row| row.projection == "mirror" && row.problem.is_some());
        if mirror.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let mirror = mirror.expect("its failure is visible");
    assert!(matches!(mirror.condition, Condition::BackingOff | Condition::Apart), "{mirror:?}");
    assert_eq!(mirror.problem.as_deref(), Some("sqlstate 42P01"));
    broken.store(false, Ordering::SeqCst);
    assert!(matches!(positions.wait_for("mirror", 3_000, Duration::from_secs(15)).await, Waited::Reached(_)));
    let last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    for name in ["mirror", "tallies", "idle"] {
        let waited = positions.wait_for(name, last, Duration::from_secs(2)).await;
        assert!(matches!(waited, Waited::Reached(_)), "{name}: {waited:?}");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    for row in stats.snapshot() {
        assert_eq!(row.condition, Condition::Following, "{row:?}");
        assert_eq!(row.problem, None);
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn projections_go_on_under_an_endless_load_once_they_have_given_way_for_long_enough() {
    let store = store().await;
    let registry = registry();
    // There is never room again.
    let (_told, full) = tokio::sync::watch::channel(true);
    let pausing = Precedence::told(full, Duration::from_secs(4)).follower();
    let runner = runner(&store, &registry, RunnerOptions::default()).await.giving_way(pausing);
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));
    let busy = AtomicBool::new(true);
    let head = AtomicI64::new(0);
    let load = async {
        while busy.load(Ordering::Relaxed) {
            many(&store, 3, 50).await;
            head.fetch_add(50, Ordering::Relaxed);
        }
    };
    // Nobody waits for a position here: that would end every pause.
    let until = async |what: &str, reached: &dyn Fn(i64) -> bool| {
        for _ in 0..2_400 {
            let (position, counted) = shown(&store, "tallies").await;
            assert_eq!(position, counted);
            if reached(position) {
                return position;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("in vain: {what}");
    };
    let looking = async {
        let first = until("the first batch", &|position| position > 0).await;
        let behind = |position| position == first && head.load(Ordering::Relaxed) > first + 500;
        until("it gives way", &behind).await;
        let next = until("it goes on", &|position| position > first + 1_000).await;
        until("it goes on further", &|position| position > next + 1_000).await;
        busy.store(false, Ordering::Relaxed);
    };
    tokio::join!(load, looking);
    let last = head.load(Ordering::Relaxed);
    until("the end", &|position| position == last).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn four_runners_on_one_generation_apply_every_event_once() {
    let store = store().await;
    let registry = registry();
    let first = runner(&store, &registry, RunnerOptions::default()).await;
    let positions = first.positions();
    let stop = CancellationToken::new();
    let mut running = vec![tokio::spawn(first.run(stop.clone()))];
    for _ in 0..3 {
        let more = Runner::new(store.env.log.clone(), registry.clone(), RunnerOptions::default());
        running.push(tokio::spawn(more.run(stop.clone())));
    }
    for _ in 0..10 {
        many(&store, 5, 700).await;
    }
    for name in ["tallies", "mirror", "idle"] {
        let waited = positions.wait_for(name, 7_000, Duration::from_secs(20)).await;
        assert!(matches!(waited, Waited::Reached(_)), "{name}: {waited:?}");
    }
    assert_eq!(shown(&store, "tallies").await, (7_000, 7_000));
    assert_eq!(shown(&store, "mirror").await, (7_000, 7_000));
    for report in sentinel_check(store.env.log.pg(), &registry).await.unwrap() {
        assert!(report.agrees(), "{report:?}");
    }
    stop.cancel();
    for task in running {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_read_model_follows_the_head_without_a_write_per_event() {
    let store = store().await;
    let registry = Registry::new().with(Idle::default());
    let runner = runner(&store, &registry, RunnerOptions::default()).await;
    let polling = eventstore::subscription::Positions::new(store.env.log.pg().clone());
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));
    let writes = || async {
        let sql =
            "select (pg_stat_get_tuples_updated(c.oid) + pg_stat_get_xact_tuples_updated(c.oid))::bigint
                   from pg_class c where relname = 'projection_checkpoints'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&store.env.owner_pool).await.unwrap()
    };
    let before = writes().await;
    let began = std::time::Instant::now();
    let mut last = 0;
    while began.elapsed() < Duration::from_secs(3) {
        last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    }
    // As another process sees it: at the head within the second.
    let waited = polling.wait_for("idle", last, Duration::from_secs(2)).await;
    assert!(matches!(waited, Waited::Reached(_)), "{waited:?}");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let written = writes().await - before;
    assert!((1..=7).contains(&written), "{written} writes");
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_in_one_of_four_ways() {
    let store = store().await;
    let runner = runner(&store, &registry(), RunnerOptions::default()).await;
    let positions = runner.positions();
    let last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    let brief = Duration::from_millis(50);
    assert_eq!(positions.wait_for("tallies", last, brief).await, Waited::TimedOut);
    assert_eq!(positions.wait_for("tallies", last + 1, brief).await, Waited::TimedOut);
    let mut runner = runner;
    settle(&mut runner).await;
    assert_eq!(positions.wait_for("tallies", last, brief).await, Waited::Reached(last));
    let last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    let waits = (0..1_100).map(|_| positions.wait_for("tallies", last, brief));
    let answers = futures::future::join_all(waits).await;
    assert!(answers.contains(&Waited::TooManyWaiters));
    assert!(answers.contains(&Waited::TimedOut));
    // After a failover the log may end before a position that was once acknowledged.
    sqlx::query("update log_head set epoch = 2").execute(&store.env.owner_pool).await.unwrap();
    assert_eq!(positions.wait_for("tallies", last + 1, brief).await, Waited::Lost);
}
