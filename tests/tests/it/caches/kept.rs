//! Within one process.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use projections::{ReadError, cache::Cache};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use super::model::{LAZY, Model, OTHER, SHORT, TEST_VIEWS, THINGS, append, ask, following};
use crate::support::{event, store, thing};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_until_an_event_that_changes_its_view() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    let mut follower = following(&store, &cache);
    let model = Model::at(append(&store).await);
    // Nobody has looked at the log: nothing is kept.
    ask(&cache, &THINGS, &model, None).await;
    ask(&cache, &THINGS, &model, None).await;
    assert_eq!(model.loads(), 2);
    follower.step().await.unwrap();
    for _ in 0..5 {
        assert_eq!(ask(&cache, &THINGS, &model, None).await, 1);
    }
    assert_eq!(model.loads(), 3);
    ask(&cache, &OTHER, &model, None).await;
    ask(&cache, &LAZY, &model, None).await;
    assert_eq!(model.loads(), 5);

    let second = append(&store).await;
    model.position.store(second, Ordering::SeqCst);
    follower.step().await.unwrap();
    assert_eq!(ask(&cache, &THINGS, &model, None).await, second, "made anew");
    assert_eq!(ask(&cache, &OTHER, &model, None).await, 1, "not its event");
    assert_eq!(ask(&cache, &LAZY, &model, None).await, 1, "it may be behind for an hour");
    // But not for who asks for that position.
    assert_eq!(ask(&cache, &LAZY, &model, Some(second)).await, second);
    assert_eq!(ask(&cache, &LAZY, &model, None).await, second, "and the others have it from there");
    let counts = cache.counts();
    assert_eq!((counts[0].hits, counts[0].misses, counts[0].bypasses), (4, 2, 2), "{counts:?}");
    assert!((counts[0].hit_rate.unwrap() - 4.0 / 6.0).abs() < 1e-9);
    assert_eq!(counts[1].bypasses, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_read_before_an_event_and_stored_after_it_is_not_served() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    let mut follower = following(&store, &cache);
    append(&store).await;
    follower.step().await.unwrap();
    let slow = Model { gate: Some(Arc::new(Notify::new())), ..Model::at(1) };
    let asking = tokio::spawn({
        let (cache, slow) = (cache.clone(), slow.clone());
        async move { ask(&cache, &THINGS, &slow, None).await }
    });
    while slow.loads() == 0 {
        tokio::task::yield_now().await;
    }
    let second = append(&store).await;
    follower.step().await.unwrap();
    slow.gate.as_ref().unwrap().notify_one();
    assert_eq!(asking.await.unwrap(), 1, "it asked before");
    let model = Model::at(second);
    assert_eq!(ask(&cache, &THINGS, &model, None).await, second);
    // Nor does a late one push out a newer one.
    let late = Model::at(1);
    assert_eq!(ask(&cache, &LAZY, &model, None).await, second);
    cache.get(&LAZY, "k".into(), Some(99), late.made()).await.unwrap();
    assert_eq!(ask(&cache, &LAZY, &model, None).await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_make_one_answer_and_one_that_leaves_takes_nobody_along() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    append(&store).await;
    following(&store, &cache).step().await.unwrap();
    let gate = Arc::new(Notify::new());
    let model = Model { gate: Some(Arc::clone(&gate)), ..Model::at(1) };
    // The one who began it goes away.
    let first = tokio::spawn({
        let (cache, model) = (cache.clone(), model.clone());
        async move { ask(&cache, &THINGS, &model, None).await }
    });
    while model.loads() == 0 {
        tokio::task::yield_now().await;
    }
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let (cache, model) = (cache.clone(), model.clone());
            tokio::spawn(async move { ask(&cache, &THINGS, &model, None).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.abort();
    gate.notify_one();
    for one in asking {
        assert_eq!(one.await.unwrap(), 1);
    }
    assert_eq!(model.loads(), 1);
    // Who asks for a position never shares a flight that may have begun before it.
    let newer = Model::at(7);
    assert_eq!(ask(&cache, &THINGS, &newer, Some(7)).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_goes_to_all_who_wait_and_a_panic_to_nobody_who_comes_later() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    append(&store).await;
    following(&store, &cache).step().await.unwrap();
    let failing = async { Err(ReadError::NotBuilt("things")) };
    let failed = cache.get(&THINGS, "k".into(), None, failing).await.unwrap_err();
    assert!(matches!(failed.reason(), ReadError::NotBuilt("things")));
    let panicking = async { panic!("on purpose") };
    let asking = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(&THINGS, "k".into(), None, panicking).await }
    });
    assert!(asking.await.is_err());
    assert_eq!(ask(&cache, &THINGS, &Model::at(1), None).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_is_served_while_the_next_is_made_and_one_that_is_over_is_not() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    append(&store).await;
    let mut follower = following(&store, &cache);
    follower.step().await.unwrap();
    let model = Model::at(1);
    let (mut served_while_made, mut stalls) = (0, 0);
    let mut asked = Instant::now();
    for _ in 0..150 {
        follower.step().await.unwrap();
        // A busy machine may let an answer get old between two questions.
        stalls += u64::from(asked.elapsed() > Duration::from_millis(80));
        asked = Instant::now();
        let before = cache.counts()[2].hits;
        ask(&cache, &SHORT, &model, None).await;
        served_while_made += u64::from(cache.counts()[2].hits > before);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let counts = cache.counts()[2];
    // Somebody always asks before it is over, so after the first nobody waits.
    assert!((1..=1 + stalls).contains(&counts.misses), "{counts:?}, {stalls} stalls");
    assert_eq!(counts.misses + served_while_made, 150, "{counts:?}");
    assert!(model.loads() >= 3, "an answer lives for 0.4 s at most: {}", model.loads());
    tokio::time::sleep(Duration::from_millis(500)).await;
    follower.step().await.unwrap();
    ask(&cache, &SHORT, &model, None).await;
    assert_eq!(cache.counts()[2].misses, counts.misses + 1, "nobody asked meanwhile, so it is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_takes_bytes_away_empties_every_view_at_once_and_so_does_another_epoch() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    let mut follower = following(&store, &cache);
    append(&store).await;
    follower.step().await.unwrap();
    let model = Model::at(1);
    ask(&cache, &LAZY, &model, None).await;
    ask(&cache, &OTHER, &model, None).await;
    let mut forgotten = event(json!({}));
    forgotten.event_type = kernel::Name::constant("PersonForgotten");
    let append = eventstore::append::Append {
        writes: vec![eventstore::append::Write {
            aggregate: thing(Uuid::now_v7()),
            expected_version: 0,
            events: vec![forgotten],
            external_id: None,
        }],
        ..eventstore::append::Append::default()
    };
    store.appender.append(append).await.unwrap();
    follower.step().await.unwrap();
    model.position.store(2, Ordering::SeqCst);
    assert_eq!((ask(&cache, &LAZY, &model, None).await, ask(&cache, &OTHER, &model, None).await), (2, 2));
    // The same positions in another epoch are other events.
    sqlx::query("update log_head set epoch = 2, position = 2").execute(&store.env.owner_pool).await.unwrap();
    follower.step().await.unwrap();
    let loads = model.loads();
    ask(&cache, &OTHER, &model, None).await;
    assert_eq!(model.loads(), loads + 1);
}
