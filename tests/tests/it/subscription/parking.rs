//! Events that cannot be applied hurt only the keys they touch.

use eventstore::subscription::{
    Condition, Registry, RunnerOptions, parked_events, retry_parked, sentinel_check, skip_event, stale_keys,
};
use serde_json::json;
use uuid::Uuid;

use super::toy::{Strict, Tallies, done, registry, row, runner, settle, shown};
use crate::support::store;

/// The column holds 40 characters.
const TOO_LONG: &str = "far too long for the column, by quite a lot of letters";

#[tokio::test(flavor = "multi_thread")]
async fn scenario_11_a_poison_event_parks_its_keys_and_healthy_ones_go_on() {
    let store = store().await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    let (sick, healthy, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    done(&store, sick, vec![json!({"text": "good"})]).await;
    // Undecodable; touches the aggregate only, for the rest cannot be read.
    let poison = done(&store, sick, vec![json!({"text": 7})]).await;
    done(&store, healthy, vec![json!({"text": "a"})]).await;
    done(&store, sick, vec![json!({"text": "queued", "other": other})]).await;
    done(&store, healthy, vec![json!({"text": "b"})]).await;
    settle(&mut runner).await;
    let last = done(&store, sick, vec![json!({"text": "queued later"})]).await;
    settle(&mut runner).await;

    assert_eq!(row(&store, "tallies", healthy).await.unwrap().count, 2);
    assert_eq!(row(&store, "tallies", sick).await.unwrap().last, "good");
    assert_eq!(row(&store, "tallies", other).await.unwrap().last, "queued");
    let parked = parked_events(store.env.log.pg(), Some("tallies")).await.unwrap();
    let positions: Vec<_> = parked.iter().map(|event| event.position).collect();
    assert_eq!(positions, [poison, poison + 2, last]);
    assert!(parked.iter().all(|event| event.key == sick.to_string()));
    assert!(parked[0].reason.as_ref().unwrap().contains("another shape"));
    assert_eq!(parked[1].reason, None);
    let stale = stale_keys(store.env.log.pg(), "tallies", &[sick.to_string(), healthy.to_string()]).await;
    assert_eq!(stale.unwrap().into_iter().collect::<Vec<_>>(), [sick.to_string()]);
    for report in sentinel_check(store.env.log.pg(), &registry()).await.unwrap() {
        assert!(report.agrees(), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_for_one_key_parks_all_its_keys() {
    let store = store().await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
    done(&store, b, vec![json!({"text": "before"})]).await;
    done(&store, a, vec![json!({"text": "x", "boom": true, "other": b})]).await;
    done(&store, b, vec![json!({"text": "after"})]).await;
    settle(&mut runner).await;
    assert_eq!(row(&store, "tallies", a).await, None);
    assert_eq!(row(&store, "tallies", b).await.unwrap().last, "before");
    assert_eq!(parked_events(store.env.log.pg(), Some("tallies")).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tables_refuse_is_traced_to_its_event() {
    let store = store().await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    let mut ids = Vec::new();
    for n in 0..40 {
        let id = Uuid::now_v7();
        done(&store, id, vec![json!({"text": "first"})]).await;
        let second = if n % 10 == 3 { TOO_LONG } else { "second" };
        done(&store, id, vec![json!({"text": second})]).await;
        ids.push(id);
    }
    settle(&mut runner).await;
    for id in &ids {
        done(&store, *id, vec![json!({"text": "third"})]).await;
    }
    settle(&mut runner).await;
    for (n, id) in ids.iter().enumerate() {
        let row = row(&store, "tallies", *id).await.unwrap();
        let expected = if n % 10 == 3 { (1, "first") } else { (3, "third") };
        assert_eq!((row.count, row.last.as_str()), expected, "thing {n}");
    }
    let parked = parked_events(store.env.log.pg(), Some("tallies")).await.unwrap();
    assert_eq!(parked.iter().filter(|event| event.reason.is_some()).count(), 4);
    assert_eq!(parked.len(), 8);
    assert!(parked.iter().filter_map(|event| event.reason.as_ref()).all(|reason| reason.contains("22001")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_that_cannot_name_the_keys_stops_and_the_others_go_on() {
    let store = store().await;
    let registry = Registry::new().with(Tallies::default()).with(Strict::default());
    let mut runner = runner(&store, &registry, RunnerOptions::default()).await;
    let id = Uuid::now_v7();
    done(&store, id, vec![json!({"text": "good"}), json!({"text": 7}), json!({"text": "after"})]).await;
    settle(&mut runner).await;
    runner.step().await.unwrap();
    assert_eq!(shown(&store, "strict").await, (1, 1));
    assert_eq!(shown(&store, "tallies").await.0, 3);
    let strict = runner.stats().snapshot().into_iter().find(|row| row.projection == "strict").unwrap();
    assert_eq!(strict.condition, Condition::Stopped);
    assert!(strict.problem.unwrap().contains("position 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skip_takes_one_event_out_for_one_key_and_applies_the_rest() {
    let store = store().await;
    let pool = store.env.log.pg();
    let registry = registry();
    let mut runner = runner(&store, &registry, RunnerOptions::default()).await;
    let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
    done(&store, a, vec![json!({"text": "one"})]).await;
    let boom = done(&store, a, vec![json!({"boom": true, "other": b})]).await;
    done(&store, a, vec![json!({"text": "two"})]).await;
    settle(&mut runner).await;

    // Nothing has changed yet, so a retry finds the same event in the way.
    let report = retry_parked(pool, &registry, "tallies", None).await.unwrap().remove(0);
    assert_eq!(report.healed, Vec::<String>::new());
    assert_eq!(report.still_parked.len(), 2);
    assert!(parked_events(pool, Some("tallies")).await.unwrap().iter().all(|event| event.attempts == 2));
    assert!(skip_event(pool, &registry, "tallies", &a.to_string(), boom + 1000, "no").await.is_err());

    let key = a.to_string();
    let report = skip_event(pool, &registry, "tallies", &key, boom, "agreed with support").await.unwrap();
    assert_eq!(report[0].healed, [key]);
    assert_eq!(row(&store, "tallies", a).await.unwrap().count, 2);
    // The runner notices by itself that the key is free again, and only that one.
    done(&store, a, vec![json!({"text": "three"})]).await;
    done(&store, b, vec![json!({"text": "queued"})]).await;
    settle(&mut runner).await;
    assert_eq!(row(&store, "tallies", a).await.unwrap().last, "three");
    assert_eq!(row(&store, "tallies", b).await, None);
    let report = skip_event(pool, &registry, "tallies", &b.to_string(), boom, "and here").await.unwrap();
    assert_eq!(report[0].healed, [b.to_string()]);
    assert_eq!(row(&store, "tallies", b).await.unwrap().last, "queued");
    assert!(parked_events(pool, Some("tallies")).await.unwrap().is_empty());
    for report in sentinel_check(pool, &registry).await.unwrap() {
        assert!(report.agrees(), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinel_notices_a_skipped_event_that_lag_does_not_show() {
    let store = store().await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    done(&store, Uuid::now_v7(), vec![json!({}), json!({})]).await;
    settle(&mut runner).await;
    done(&store, Uuid::now_v7(), vec![json!({})]).await;
    // The control: a defect that moves the checkpoint past an event.
    sqlx::query("update projection_checkpoints set position = position + 1 where projection = 'tallies'")
        .execute(&store.env.owner_pool)
        .await
        .unwrap();
    settle(&mut runner).await;
    let reports = sentinel_check(store.env.log.pg(), &registry()).await.unwrap();
    let agrees = |name: &str| reports.iter().find(|report| report.projection == name).unwrap().agrees();
    assert!(!agrees("tallies"));
    assert!(agrees("mirror"));
}
