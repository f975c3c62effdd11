//! A rebuild ends in the rows the live generation has, whatever happens meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use eventstore::{
    generation::{GenerationError, Progress, drop_expired, rebuild as rebuild_all, rollback, verify},
    subscription::{GenerationState, RunnerOptions, checkpoints, parked_events, retry_parked, skip_event},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{rebuild, start};
use crate::{
    subscription::toy::{done, many, registry, row, runner, settle, shown},
    support::store,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_equals_the_live_generation_while_appends_keep_arriving() {
    let store = Arc::new(store().await);
    let registry = registry();
    let running = start(&store, &registry).await;
    many(&store, 500, 45_000).await;
    let busy = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn({
        let (store, busy) = (Arc::clone(&store), Arc::clone(&busy));
        async move {
            while busy.load(Ordering::SeqCst) {
                many(&store, 20, 200).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let rebuilt = rebuild(&store, &registry).await;
    assert_eq!(rebuilt.iter().map(|one| one.projection).collect::<Vec<_>>(), ["tallies", "mirror", "idle"]);
    assert!(rebuilt.iter().all(|one| one.generation == 2));
    assert!(rebuilt[0].position >= 45_000);
    assert!(rebuilt[0].sampled_keys > 0);
    // The runner finds the new generation by itself, and the old one is fed on.
    let last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    running.positions.wait_for("tallies", last, Duration::from_secs(2)).await;
    busy.store(false, Ordering::SeqCst);
    writer.await.unwrap();
    let last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    for _ in 0..100 {
        let rows = checkpoints(store.env.log.pg()).await.unwrap();
        assert_eq!(rows.len(), 6);
        if rows.iter().all(|row| row.position == last) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rows = checkpoints(store.env.log.pg()).await.unwrap();
    assert!(rows.iter().all(|row| row.position == last), "{rows:#?}");
    assert_eq!(shown(&store, "tallies").await, (last, last));
    let sql = "select count(*) from (table tallies_g1.tallies except table tallies_g2.tallies) d";
    let differing: i64 = sqlx::query_scalar(sql).fetch_one(&store.env.owner_pool).await.unwrap();
    assert_eq!(differing, 0);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_killed_between_pages_goes_on_where_it_was() {
    let store = store().await;
    let registry = registry();
    let mut runner = runner(&store, &registry, RunnerOptions::default()).await;
    many(&store, 300, 65_000).await;
    settle(&mut runner).await;
    let owner = store.env.owner_pool.clone();
    let pages = Arc::new(AtomicI64::new(0));
    let killed = tokio::spawn({
        let (owner, registry, pages) = (owner.clone(), registry.clone(), Arc::clone(&pages));
        async move {
            let report = |step: Progress| {
                if matches!(step, Progress::Filling { .. }) {
                    pages.fetch_add(1, Ordering::SeqCst);
                }
            };
            rebuild_all(&owner, &registry, &report, &CancellationToken::new()).await
        }
    });
    while pages.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Like a kill: nothing of it runs on, its sessions end.
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let half: Vec<_> = checkpoints(store.env.log.pg()).await.unwrap();
    let half: Vec<_> = half.into_iter().filter(|row| row.state == GenerationState::Building).collect();
    assert_eq!(half.len(), 3);
    assert!(half.iter().all(|row| row.position >= 20_000 && row.position < 65_000), "{half:#?}");

    // Interrupted once more, politely.
    let stop = CancellationToken::new();
    let interrupted = rebuild_all(&owner, &registry, &|_| stop.cancel(), &stop).await;
    assert!(matches!(interrupted, Err(GenerationError::Interrupted)));

    let began = std::sync::Mutex::new(None);
    let report = |step: Progress| {
        if let Progress::Filling { position, .. } = step {
            began.lock().unwrap().get_or_insert(position);
        }
    };
    let rebuilt = rebuild_all(&owner, &registry, &report, &CancellationToken::new()).await.unwrap();
    assert!(began.into_inner().unwrap().is_none_or(|position| position > 20_000));
    assert!(rebuilt.iter().all(|one| one.generation == 2));
    assert_eq!(rebuilt[0].sentinel.count, 65_000);
    assert_eq!(shown(&store, "mirror").await, (65_000, 65_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_that_does_not_agree_with_the_log_is_not_shown() {
    let store = store().await;
    let registry = registry();
    let mut runner = runner(&store, &registry, RunnerOptions::default()).await;
    let ids = many(&store, 10, 200).await;
    settle(&mut runner).await;
    let owner = &store.env.owner_pool;
    // The control: the unfinished generation loses a row, and every key is in the sample of few.
    let stop = CancellationToken::new();
    let spoiled = |step: Progress| {
        if matches!(step, Progress::Filling { .. }) {
            stop.cancel();
        }
    };
    assert!(rebuild_all(owner, &registry, &spoiled, &stop).await.is_err());
    sqlx::query("update projection_checkpoints set digest = digest + 1 where generation = 2 and projection = 'mirror'")
        .execute(owner)
        .await
        .unwrap();
    let refused = rebuild_all(owner, &registry, &|_| {}, &CancellationToken::new()).await;
    assert!(matches!(refused, Err(GenerationError::Differs { .. })), "{refused:?}");
    assert_eq!(row(&store, "mirror", ids[0]).await.unwrap().count, 20);
    // The next one begins anew.
    let rebuilt = rebuild(&store, &registry).await;
    assert_eq!(rebuilt.len(), 3);
    assert_eq!(shown(&store, "mirror").await, (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_and_skipped_events_are_the_same_in_the_next_generation() {
    let store = store().await;
    let registry = registry();
    let mut runner = runner(&store, &registry, RunnerOptions::default()).await;
    let (skipped, parked, long) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let boom = done(&store, skipped, vec![json!({"boom": true}), json!({"text": "on"})]).await - 1;
    done(&store, parked, vec![json!({"text": "a"}), json!({"text": 3}), json!({"text": "b"})]).await;
    let too_long = "x".repeat(60);
    done(&store, long, vec![json!({"text": too_long})]).await;
    settle(&mut runner).await;
    // Refused alone; with what came later in one page it is none.
    done(&store, long, vec![json!({"text": "short"})]).await;
    many(&store, 3, 100).await;
    settle(&mut runner).await;
    let pool = store.env.log.pg();
    skip_event(pool, &registry, "tallies", &skipped.to_string(), boom, "test").await.unwrap();
    assert_eq!(parked_events(pool, Some("tallies")).await.unwrap().len(), 4);

    let rebuilt = rebuild(&store, &registry).await;
    assert_eq!(rebuilt[0].parked_keys, [parked.to_string()]);
    assert_eq!(row(&store, "tallies", skipped).await.unwrap().last, "on");
    assert_eq!(row(&store, "tallies", parked).await.unwrap().last, "a");
    assert_eq!(row(&store, "tallies", long).await.unwrap().last, "short");
    let retried = retry_parked(pool, &registry, "tallies", Some(&[long.to_string()])).await.unwrap();
    assert_eq!(retried.iter().map(|report| report.healed.len()).sum::<usize>(), 1, "{retried:?}");
    settle(&mut runner).await;
    let stop = CancellationToken::new();
    let verified = verify(&store.env.owner_pool, &registry, &|_| {}, &stop).await.unwrap();
    assert!(verified.iter().all(eventstore::generation::Verified::agrees), "{verified:#?}");
    assert_eq!(verified[0].parked_keys, [parked.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_can_go_back_until_the_window_ends() {
    let store = store().await;
    let registry = registry();
    let running = start(&store, &registry).await;
    let ids = many(&store, 10, 100).await;
    rebuild(&store, &registry).await;
    let last = done(&store, ids[0], vec![json!({"text": "after the switch"})]).await;
    let owner = &store.env.owner_pool;
    let stop = CancellationToken::new();
    let (generation, position) = rollback(owner, &registry, "tallies", &|_| {}, &stop).await.unwrap();
    assert_eq!(generation, 1);
    assert!(position >= last);
    assert_eq!(row(&store, "tallies", ids[0]).await.unwrap().last, "after the switch");
    assert!(drop_expired(owner, Duration::from_secs(3600)).await.unwrap().is_empty());
    let mut dropped = drop_expired(owner, Duration::ZERO).await.unwrap();
    dropped.sort();
    assert_eq!(dropped, [("idle".into(), 1), ("mirror".into(), 1), ("tallies".into(), 2)]);
    let nothing = rollback(owner, &registry, "tallies", &|_| {}, &stop).await;
    assert!(matches!(nothing, Err(GenerationError::NothingRetained(_))));
    let last = done(&store, ids[0], vec![json!({"text": "still alive"})]).await;
    running.positions.wait_for("tallies", last, Duration::from_secs(2)).await;
    assert_eq!(row(&store, "tallies", ids[0]).await.unwrap().last, "still alive");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_ended_among_its_indexes_makes_the_missing_ones() {
    let store = store().await;
    let registry = registry();
    let mut runner = runner(&store, &registry, RunnerOptions::default()).await;
    many(&store, 50, 500).await;
    settle(&mut runner).await;
    let owner = store.env.owner_pool.clone();
    assert_eq!(indexed(&owner, 1).await, 3, "the first generation is live at once");

    let stop = CancellationToken::new();
    let report = |step: Progress| {
        if matches!(step, Progress::Indexing { .. }) {
            stop.cancel();
        }
    };
    let interrupted = rebuild_all(&owner, &registry, &report, &stop).await;
    assert!(matches!(interrupted, Err(GenerationError::Interrupted)));
    assert!(indexed(&owner, 2).await < 3);
    let rows = checkpoints(store.env.log.pg()).await.unwrap();
    let building = rows.iter().filter(|row| row.state == GenerationState::Building);
    assert!(building.clone().all(|row| row.position == 500) && building.count() == 3);

    let rebuilt = rebuild(&store, &registry).await;
    assert!(rebuilt.iter().all(|one| one.generation == 2));
    assert_eq!(indexed(&owner, 2).await, 3);
    // The tables a verification folds into are read by nobody.
    assert!(verify(&owner, &registry, &|_| {}, &CancellationToken::new()).await.unwrap()[0].agrees());
}

/// Indexes that are no primary keys, of one generation of all read models.
async fn indexed(owner: &sqlx::PgPool, generation: i32) -> i64 {
    let sql = r"select count(*) from pg_indexes
               where schemaname like '%\_g' || $1::integer and indexname like '%\_position'";
    sqlx::query_scalar(sql).bind(generation).fetch_one(owner).await.unwrap()
}
