//! A verification finds what differs, and nothing else.

use std::{sync::Arc, time::Duration};

use eventstore::{
    generation::{DifferenceKind, Verified, verify},
    subscription::{Condition, RetryError, RunnerOptions, Waited, retry_parked},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::start;
use crate::{
    subscription::toy::{done, many, registry, runner, settle, shown},
    support::{Store, store},
};

async fn verified(store: &Store) -> Verified {
    let all = verify(&store.env.owner_pool, &registry(), &|_| {}, &CancellationToken::new()).await.unwrap();
    let scratch = "select count(*) from pg_namespace where nspname like '%\\_verify\\_%'";
    let left: i64 = sqlx::query_scalar(scratch).fetch_one(&store.env.owner_pool).await.unwrap();
    assert_eq!(left, 0);
    assert!(all[1].agrees() && all[2].agrees(), "{all:#?}");
    all.into_iter().next().unwrap()
}

async fn filled() -> (Store, Vec<Uuid>) {
    let store = store().await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    let ids = many(&store, 300, 3_000).await;
    settle(&mut runner).await;
    (store, ids)
}

async fn tamper(store: &Store, sql: &str) {
    let done = sqlx::query(sql).execute(&store.env.owner_pool).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_read_model_agrees_even_while_events_arrive() {
    let store = Arc::new(store().await);
    let running = start(&store, &registry()).await;
    many(&store, 300, 3_000).await;
    let busy = CancellationToken::new();
    let writer = tokio::spawn({
        let (store, busy) = (Arc::clone(&store), busy.clone());
        async move {
            while !busy.is_cancelled() {
                many(&store, 5, 20).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    for _ in 0..5 {
        let verified = verified(&store).await;
        assert!(verified.agrees(), "{verified:#?}");
        assert_eq!(verified.read_model.count, verified.position);
    }
    busy.cancel();
    writer.await.unwrap();
    // It goes on by itself.
    let last = done(&store, Uuid::now_v7(), vec![json!({})]).await;
    let waited = running.positions.wait_for("tallies", last, Duration::from_secs(2)).await;
    assert!(matches!(waited, Waited::Reached(_)), "{waited:?}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_row_is_named_with_its_columns() {
    let (store, ids) = filled().await;
    tamper(
        &store,
        &format!("update tallies_g1.tallies set count = 7000, last = '?' where id = '{}'", ids[17]),
    )
    .await;
    let difference = verified(&store).await.difference.unwrap();
    assert_eq!((difference.table.as_str(), difference.key), ("tallies", ids[17].to_string()));
    assert_eq!(difference.kind, DifferenceKind::Changed(vec!["count".into(), "last".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_row_is_named() {
    let (store, ids) = filled().await;
    tamper(&store, &format!("delete from tallies_g1.tallies where id = '{}'", ids[200])).await;
    let difference = verified(&store).await.difference.unwrap();
    assert_eq!((difference.key, difference.kind), (ids[200].to_string(), DifferenceKind::Missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_no_event_made_is_named() {
    let (store, _) = filled().await;
    let id = Uuid::now_v7();
    tamper(&store, &format!("insert into tallies_g1.tallies values ('{id}', 1, 'x', 1)")).await;
    let difference = verified(&store).await.difference.unwrap();
    assert_eq!((difference.key, difference.kind), (id.to_string(), DifferenceKind::Extra));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_skipped_is_noticed() {
    let (store, ids) = filled().await;
    done(&store, ids[3], vec![json!({"text": "never applied"})]).await;
    tamper(&store, "update projection_checkpoints set position = position + 1 where projection = 'tallies'")
        .await;
    let with_row = verified(&store).await;
    assert_eq!(with_row.difference.unwrap().key, ids[3].to_string());
    assert_ne!(with_row.read_model, with_row.log);
    // The row is put right by hand: the sentinel still knows.
    let sql = "update tallies_g1.tallies set count = 11, last = 'never applied', position = 3001 where id = ";
    tamper(&store, &format!("{sql} '{}'", ids[3])).await;
    assert_eq!(verified(&store).await.difference.unwrap().kind, DifferenceKind::Events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_key_is_named_and_not_a_difference() {
    let store = store().await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    let sick = Uuid::now_v7();
    done(&store, sick, vec![json!({"text": "a"}), json!({"boom": true}), json!({"text": "b"})]).await;
    many(&store, 10, 100).await;
    settle(&mut runner).await;
    let verified = verified(&store).await;
    assert!(verified.agrees(), "{verified:#?}");
    assert_eq!(verified.parked_keys, [sick.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_ahead_splits_the_batch_exactly_there() {
    let store = store().await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    many(&store, 10, 100).await;
    tamper(
        &store,
        "update projection_checkpoints
         set pinned_at = 37, pinned_by = gen_random_uuid(), pinned_until = clock_timestamp() + interval '1 minute'
         where projection = 'tallies'",
    )
    .await;
    settle(&mut runner).await;
    settle(&mut runner).await;
    assert_eq!(shown(&store, "tallies").await, (37, 37));
    assert_eq!(shown(&store, "mirror").await, (100, 100));
    let stats = runner.stats().snapshot();
    let tallies = stats.iter().find(|row| row.projection == "tallies").unwrap();
    assert_eq!(tallies.condition, Condition::Pinned);
    tamper(
        &store,
        "update projection_checkpoints set pinned_at = null, pinned_until = null, pinned_by = null
         where projection = 'tallies'",
    )
    .await;
    settle(&mut runner).await;
    assert_eq!(shown(&store, "tallies").await, (100, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_died_leaves_no_projection_standing_and_no_tables() {
    let store = store().await;
    let running = start(&store, &registry()).await;
    many(&store, 10, 100).await;
    running.positions.wait_for("tallies", 100, Duration::from_secs(5)).await;
    // What it would leave: a pin, and tables of its own.
    let sql = "update projection_checkpoints
               set pinned_at = position, pinned_by = gen_random_uuid(),
                   pinned_until = clock_timestamp() + interval '3 seconds'
               where projection = 'tallies'";
    tamper(&store, sql).await;
    sqlx::query("create schema tallies_verify_0badcafe").execute(&store.env.owner_pool).await.unwrap();
    let last = done(&store, Uuid::now_v7(), vec![json!({"boom": true})]).await;
    let waited = running.positions.wait_for("mirror", last, Duration::from_secs(2)).await;
    assert!(matches!(waited, Waited::Reached(_)), "the others are not held: {waited:?}");
    let waited = running.positions.wait_for("tallies", last, Duration::from_millis(800)).await;
    assert_eq!(waited, Waited::TimedOut);
    // Nor does a retry move rows under a verifier's eyes.
    let parked = retry_parked(store.env.log.pg(), &registry(), "mirror", None).await;
    assert!(parked.is_ok());
    let waited = running.positions.wait_for("tallies", last, Duration::from_secs(5)).await;
    assert!(matches!(waited, Waited::Reached(_)), "{waited:?}");
    sqlx::query("update projection_checkpoints set pinned_at = position, pinned_until = clock_timestamp() + interval '1 second'")
        .execute(&store.env.owner_pool)
        .await
        .unwrap();
    let refused = retry_parked(store.env.log.pg(), &registry(), "tallies", None).await;
    assert!(matches!(refused, Err(RetryError::Pinned(_))), "{refused:?}");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(verified(&store).await.agrees());
    running.end().await;
}
