//! Nobody who reads notices a switch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use eventstore::generation::{Progress, drop_expired, rebuild as rebuild_all};
use serde_json::json;
use sqlx::{Connection, PgConnection, Row, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{rebuild, start};
use crate::{
    subscription::toy::{done, many, registry, shown},
    support::store,
};

/// Every thing was counted once per event, so the sum is the position, in every snapshot.
const CONSISTENT: &str = "select (select position from read.tallies_checkpoint) as position,
            (select coalesce(sum(count), 0)::bigint from read.tallies) as total,
            (select generation from read.tallies_checkpoint) as generation";

#[tokio::test(flavor = "multi_thread")]
async fn ten_switches_under_readers_and_a_writer_never_show_an_empty_or_mixed_result() {
    let store = Arc::new(store().await);
    let registry = registry();
    let running = start(&store, &registry).await;
    let last = many(&store, 200, 2_000).await.len() as i64;
    assert_eq!(last, 200);
    running.positions.wait_for("tallies", 2_000, Duration::from_secs(5)).await;
    let busy = Arc::new(AtomicBool::new(true));
    let reads = Arc::new(AtomicU64::new(0));
    // Pooled connections, prepared statements: the plans outlive the generations.
    let pool = PgPoolOptions::new().max_connections(3).connect_with(store.env.options.clone()).await.unwrap();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (pool, busy, reads) = (pool.clone(), Arc::clone(&busy), Arc::clone(&reads));
            tokio::spawn(async move {
                let mut before = (0, 0);
                let mut slowest = Duration::ZERO;
                while busy.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    let row = sqlx::query(CONSISTENT).fetch_one(&pool).await.unwrap();
                    slowest = slowest.max(began.elapsed());
                    let (position, total): (i64, i64) = (row.get(0), row.get(1));
                    assert_eq!(position, total, "generation {}", row.get::<i32, _>(2));
                    assert!(position >= before.0, "went back from {before:?} to {position}");
                    before = (position, total);
                    reads.fetch_add(1, Ordering::SeqCst);
                }
                slowest
            })
        })
        .collect();
    let writer = tokio::spawn({
        let (store, busy) = (Arc::clone(&store), Arc::clone(&busy));
        async move {
            while busy.load(Ordering::SeqCst) {
                done(&store, Uuid::now_v7(), vec![json!({}), json!({})]).await;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
    for round in 0..10 {
        let rebuilt = rebuild(&store, &registry).await;
        assert_eq!(rebuilt[0].generation, round + 2);
        // Dropping what is retained, while a late writer may still be at it.
        drop_expired(&store.env.owner_pool, Duration::ZERO).await.unwrap();
    }
    busy.store(false, Ordering::SeqCst);
    writer.await.unwrap();
    for reader in readers {
        let slowest = reader.await.unwrap();
        assert!(slowest < Duration::from_secs(2), "a read took {slowest:?}");
    }
    assert!(reads.load(Ordering::SeqCst) > 100);
    let last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    running.positions.wait_for("tallies", last, Duration::from_secs(3)).await;
    assert_eq!(shown(&store, "tallies").await, (last, last));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_waits_for_an_old_snapshot_and_says_for_whom() {
    let store = Arc::new(store().await);
    let registry = registry();
    let running = start(&store, &registry).await;
    many(&store, 50, 1_000).await;
    running.positions.wait_for("tallies", 1_000, Duration::from_secs(5)).await;
    // Holds a snapshot, and has not touched the views yet.
    let mut reader = PgConnection::connect_with(&store.env.options).await.unwrap();
    sqlx::query("begin isolation level repeatable read").execute(&mut reader).await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut reader).await.unwrap();
    sqlx::query("select count(*) from log_head").execute(&mut reader).await.unwrap();

    let waiting = Arc::new(std::sync::Mutex::new(None));
    let rebuilding = tokio::spawn({
        let (store, registry, waiting) = (Arc::clone(&store), registry.clone(), Arc::clone(&waiting));
        async move {
            let report = |step: Progress| {
                if let Progress::WaitingForSnapshot { pid, .. } = step {
                    waiting.lock().unwrap().get_or_insert(pid);
                }
            };
            rebuild_all(&store.env.owner_pool, &registry, &report, &CancellationToken::new()).await
        }
    });
    for _ in 0..200 {
        if waiting.lock().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(*waiting.lock().unwrap(), Some(pid));
    assert!(!rebuilding.is_finished());
    // Now it reads, and sees what its snapshot holds.
    let row = sqlx::query(CONSISTENT).fetch_one(&mut reader).await.unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1), row.get::<i32, _>(2)), (1_000, 1_000, 1));
    // The control: what it would see through the views, had the switch not waited.
    let empty: i64 =
        sqlx::query_scalar("select count(*) from tallies_g2.tallies").fetch_one(&mut reader).await.unwrap();
    assert_eq!(empty, 0);
    // Others are served and followed meanwhile.
    let last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    running.positions.wait_for("tallies", last, Duration::from_secs(2)).await;
    assert_eq!(shown(&store, "tallies").await, (last, last));
    sqlx::query("commit").execute(&mut reader).await.unwrap();
    rebuilding.await.unwrap().unwrap();
    let row = sqlx::query(CONSISTENT).fetch_one(&mut reader).await.unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i32, _>(2)), (last, 2));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reader_of_the_view_never_blocks_new_ones_for_long() {
    let store = Arc::new(store().await);
    let registry = registry();
    let running = start(&store, &registry).await;
    many(&store, 50, 1_000).await;
    running.positions.wait_for("tallies", 1_000, Duration::from_secs(5)).await;
    // Read committed: holds its lock on the view, but no snapshot between statements.
    let mut long = PgConnection::connect_with(&store.env.options).await.unwrap();
    sqlx::query("begin").execute(&mut long).await.unwrap();
    sqlx::query(CONSISTENT).fetch_one(&mut long).await.unwrap();
    let waited = Arc::new(AtomicU64::new(0));
    let rebuilding = tokio::spawn({
        let (store, registry, waited) = (Arc::clone(&store), registry.clone(), Arc::clone(&waited));
        async move {
            let report = |step: Progress| {
                if matches!(step, Progress::WaitingForReaders { .. }) {
                    waited.fetch_add(1, Ordering::SeqCst);
                }
            };
            rebuild_all(&store.env.owner_pool, &registry, &report, &CancellationToken::new()).await
        }
    });
    while waited.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut slowest = Duration::ZERO;
    while waited.load(Ordering::SeqCst) < 8 {
        let began = Instant::now();
        shown(&store, "tallies").await;
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_millis(250), "a new reader waited {slowest:?}");
    assert!(!rebuilding.is_finished());
    sqlx::query("commit").execute(&mut long).await.unwrap();
    rebuilding.await.unwrap().unwrap();
    running.end().await;
}
