//! The append contract: all or nothing per request, and nobody pays for a neighbour.

use std::time::Duration;

use eventstore::{
    StoreError,
    append::{Append, Assert, Outcome, Receipt, Reservation},
};
use serde_json::json;
use sqlx::Row;
use uuid::Uuid;

use crate::support::{Store, event, store, thing, write};

/// Sends requests so that they meet in one batch: the first one blocks the appender on a row
/// lock until all the others wait in the queue.
async fn in_one_batch(store: &Store, requests: Vec<Append>) -> Vec<Result<Outcome, StoreError>> {
    let blocker = Uuid::now_v7();
    committed(store.appender.append(write(blocker, 0)).await);
    let mut lock = store.env.owner_pool.begin().await.unwrap();
    sqlx::query("select 1 from streams where aggregate_id = $1 for update")
        .bind(blocker)
        .execute(&mut *lock)
        .await
        .unwrap();
    let appender = store.appender.clone();
    let blocked = tokio::spawn(async move { appender.append(write(blocker, 1)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let batches = store.appender.stats().batches.load(std::sync::atomic::Ordering::Relaxed);
    let mut waiting = vec![];
    for request in requests {
        let appender = store.appender.clone();
        waiting.push(tokio::spawn(async move { appender.append(request).await }));
        // So that they queue up in this order.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    lock.commit().await.unwrap();
    committed(blocked.await.unwrap());
    let mut outcomes = vec![];
    for request in waiting {
        outcomes.push(request.await.unwrap());
    }
    let after = store.appender.stats().batches.load(std::sync::atomic::Ordering::Relaxed);
    // The blocked one and the batch; a data error splits it into more.
    assert!(after >= batches + 2);
    outcomes
}

fn committed(outcome: Result<Outcome, StoreError>) -> (i64, i64) {
    match outcome {
        Ok(Outcome::Committed(committed)) => (committed.first_position, committed.last_position),
        other => panic!("not committed: {other:?}"),
    }
}

async fn stored_events(store: &Store, id: Uuid) -> i64 {
    sqlx::query("select count(*) from events where aggregate_id = $1")
        .bind(id)
        .fetch_one(&store.env.owner_pool)
        .await
        .unwrap()
        .get(0)
}

/// Position, version, stream row and log head must tell one story.
async fn assert_consistent(store: &Store) {
    let row = sqlx::query(
        "select (select count(*) from events) as events,
                (select coalesce(max(position), 0) from events) as last,
                (select position from log_head) as head,
                (select count(*) from (select aggregate_id, max(version) as v, count(*) as n,
                                              min(position) as f, max(position) as l
                                       from events group by 1) e
                 left join streams s using (aggregate_id)
                 where s.version is distinct from e.v or e.n <> e.v
                    or s.first_position <> e.f or s.last_position <> e.l) as wrong_streams",
    )
    .fetch_one(&store.env.owner_pool)
    .await
    .unwrap();
    let (events, last, head): (i64, i64, i64) = (row.get("events"), row.get("last"), row.get("head"));
    assert_eq!((events, last), (head, head), "positions are 1..head without gap");
    assert_eq!(row.get::<i64, _>("wrong_streams"), 0);
}

/// Runs one refused request between two good neighbours, in one batch.
async fn refused_between_neighbours(store: &Store, refused: Append) -> Result<Outcome, StoreError> {
    let (left, right) = (Uuid::now_v7(), Uuid::now_v7());
    let mut outcomes = in_one_batch(store, vec![write(left, 0), refused, write(right, 0)]).await;
    let (right_at, _) = committed(outcomes.pop().unwrap());
    let refused = outcomes.pop().unwrap();
    let (left_at, _) = committed(outcomes.pop().unwrap());
    assert_eq!(right_at, left_at + 1, "the neighbours stand side by side, without a gap for the refused");
    assert_eq!((stored_events(store, left).await, stored_events(store, right).await), (1, 1));
    assert_consistent(store).await;
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_leaves_its_neighbours_alone() {
    let store = store().await;
    let id = Uuid::now_v7();
    committed(store.appender.append(write(id, 0)).await);
    let outcome = refused_between_neighbours(&store, write(id, 0)).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict { aggregate_id: id, actual: 1 });
    let outcome = refused_between_neighbours(&store, write(id, 5)).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict { aggregate_id: id, actual: 1 });
    assert_eq!(stored_events(&store, id).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_assert_leaves_its_neighbours_alone() {
    let store = store().await;
    let actor = Uuid::now_v7();
    committed(store.appender.append(write(actor, 0)).await);
    committed(store.appender.append(write(actor, 1)).await);
    let id = Uuid::now_v7();
    let request = Append { asserts: vec![Assert { aggregate: thing(actor), version: 1 }], ..write(id, 0) };
    let outcome = refused_between_neighbours(&store, request).await.unwrap();
    assert_eq!(outcome, Outcome::StaleAssert { aggregate_id: actor, actual: 2 });
    assert_eq!(stored_events(&store, id).await, 0);
    let request = Append { asserts: vec![Assert { aggregate: thing(actor), version: 2 }], ..write(id, 0) };
    committed(store.appender.append(request).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_reservation_leaves_its_neighbours_alone() {
    let store = store().await;
    let (owner, other) = (Uuid::now_v7(), Uuid::now_v7());
    let take = |owner| Reservation::Take { scope: "email", hash: [7; 32], owner };
    committed(store.appender.append(Append { reservations: vec![take(owner)], ..write(owner, 0) }).await);
    let request = Append { reservations: vec![take(other)], ..write(other, 0) };
    let outcome = refused_between_neighbours(&store, request.clone()).await.unwrap();
    assert_eq!(outcome, Outcome::Taken { scope: "email".into() });
    let release = Reservation::Release { scope: "email", hash: [7; 32], owner };
    committed(store.appender.append(Append { reservations: vec![release], ..write(owner, 1) }).await);
    committed(store.appender.append(request).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_leaves_its_neighbours_alone_and_counts_nothing() {
    let store = store().await;
    let owner = Uuid::now_v7();
    let count = |delta, limit| Reservation::Count {
        scope: "nodes",
        hash: [9; 32],
        owner,
        delta,
        limit,
        window: None,
    };
    for _ in 0..2 {
        let request = Append { reservations: vec![count(1, Some(2))], ..write(Uuid::now_v7(), 0) };
        committed(store.appender.append(request).await);
    }
    for _ in 0..2 {
        let request = Append { reservations: vec![count(1, Some(2))], ..write(Uuid::now_v7(), 0) };
        let outcome = refused_between_neighbours(&store, request).await.unwrap();
        assert_eq!(outcome, Outcome::OverLimit { scope: "nodes".into(), retry_after: None });
    }
    let request = Append { reservations: vec![count(-1, None)], ..write(Uuid::now_v7(), 0) };
    committed(store.appender.append(request).await);
    let request = Append { reservations: vec![count(1, Some(2))], ..write(Uuid::now_v7(), 0) };
    committed(store.appender.append(request).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_has_ended_begins_anew_and_upkeep_deletes_its_row() {
    let store = store().await;
    let owner = Uuid::now_v7();
    let one = |minutes: u64| Append {
        reservations: vec![Reservation::Count {
            scope: "messages",
            hash: [9; 32],
            owner,
            delta: 1,
            limit: Some(1),
            window: Some(std::time::Duration::from_secs(minutes * 60)),
        }],
        ..write(Uuid::now_v7(), 0)
    };
    committed(store.appender.append(one(1)).await);
    let Outcome::OverLimit { retry_after: Some(left), .. } = store.appender.append(one(1)).await.unwrap()
    else {
        panic!("not refused")
    };
    assert!(left.as_secs() <= 60 && left.as_millis() > 0, "{left:?}");
    let windows = || eventstore::log::expire_windows(store.env.log.pg());
    assert_eq!(windows().await.unwrap(), 0, "it has not ended");
    let age = "update reservations set expires_at = expires_at - interval '10 minutes'";
    sqlx::query(age).execute(&store.env.owner_pool).await.unwrap();
    committed(store.appender.append(one(1)).await);
    sqlx::query(age).execute(&store.env.owner_pool).await.unwrap();
    assert_eq!(windows().await.unwrap(), 1);
    let rows: i64 = sqlx::query_scalar("select count(*) from reservations")
        .fetch_one(&store.env.owner_pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

fn receipt(key: u8, fingerprint: u8, id: Uuid) -> Option<Receipt> {
    Some(Receipt {
        key_hash: [key; 32],
        fingerprint: [fingerprint; 32],
        aggregate_id: id,
        first_version: 1,
        position: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_key_leaves_its_neighbours_alone_and_the_same_request_gets_its_first_answer() {
    let store = store().await;
    let id = Uuid::now_v7();
    let (first, _) =
        committed(store.appender.append(Append { receipt: receipt(1, 1, id), ..write(id, 0) }).await);
    let other = Uuid::now_v7();
    let reused = Append { receipt: receipt(1, 2, other), ..write(other, 0) };
    assert_eq!(refused_between_neighbours(&store, reused).await.unwrap(), Outcome::KeyReused);
    // Even though the version has moved on: the receipt comes first.
    let again = Append { receipt: receipt(1, 1, id), ..write(id, 0) };
    let Outcome::Replayed(found) = refused_between_neighbours(&store, again).await.unwrap() else {
        panic!("not replayed")
    };
    assert_eq!((found.aggregate_id, found.first_version, found.event_count), (id, 1, 1));
    let events = eventstore::log::answered_events(store.env.log.pg(), &found).await.unwrap();
    assert_eq!(events[0].position, first);
    assert_eq!(stored_events(&store, other).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_does_not_use_up_its_key() {
    let store = store().await;
    let id = Uuid::now_v7();
    let request = |expected| Append { receipt: receipt(1, 1, id), ..write(id, expected) };
    let outcome = store.appender.append(request(3)).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict { aggregate_id: id, actual: 0 });
    committed(store.appender.append(request(0)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_error_leaves_its_neighbours_alone() {
    let store = store().await;
    let id = Uuid::now_v7();
    // Past every check of ours: what a defect or a hostile caller could still bring here.
    for poison in [r#"{"text":"\u0000"}"#, "{not json", r#"{"n":1e999999}"#] {
        let mut request = write(id, 0);
        request.writes[0].events[0].payload = poison.to_owned();
        let error = refused_between_neighbours(&store, request).await.unwrap_err();
        assert!(matches!(error, StoreError::Data { .. }), "{poison}: {error:?}");
        assert!(!error.to_string().contains("text"), "no value in an error");
        assert_eq!(stored_events(&store, id).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn six_culprits_among_many_are_found_one_by_one() {
    let store = store().await;
    let requests: Vec<Append> = (0..40)
        .map(|n| {
            let mut request = write(Uuid::now_v7(), 0);
            if n % 7 == 3 {
                request.writes[0].events[0].payload = r#"{"text":"\u0000"}"#.to_owned();
            }
            request
        })
        .collect();
    for (n, outcome) in in_one_batch(&store, requests).await.into_iter().enumerate() {
        assert_eq!(outcome.is_err(), n % 7 == 3, "request {n}: {outcome:?}");
    }
    assert_consistent(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_aggregates_are_written_together_or_not_at_all() {
    let store = store().await;
    let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
    let both =
        |at| Append { writes: [write(a, at).writes, write(b, at).writes].concat(), ..Append::default() };
    let (first, last) = committed(store.appender.append(both(0)).await);
    assert_eq!(last, first + 1);
    committed(store.appender.append(write(b, 1)).await);
    let outcome = refused_between_neighbours(&store, both(1)).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict { aggregate_id: b, actual: 2 });
    assert_eq!(stored_events(&store, a).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_means_one_thing_only() {
    let store = store().await;
    let id = Uuid::now_v7();
    committed(store.appender.append(write(id, 0)).await);
    let mut foreign = write(id, 1);
    foreign.writes[0].aggregate = kernel::AggregateRef::new(kernel::Name::constant("other"), id);
    assert!(matches!(store.appender.append(foreign).await.unwrap(), Outcome::Conflict { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn winners_keep_their_order_when_losers_stand_between_them() {
    let store = store().await;
    let taken = Uuid::now_v7();
    committed(store.appender.append(write(taken, 0)).await);
    let three = |id| Append {
        writes: vec![eventstore::append::Write {
            events: (0..3).map(|n| event(json!({"n": n}))).collect(),
            ..write(id, 0).writes.remove(0)
        }],
        ..Append::default()
    };
    let (a, b, c) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let outcomes =
        in_one_batch(&store, vec![three(a), write(taken, 0), three(b), write(taken, 7), three(c)]).await;
    let places: Vec<_> = outcomes
        .into_iter()
        .filter_map(|o| match o.unwrap() {
            Outcome::Committed(c) => Some((c.first_position, c.last_position)),
            _ => None,
        })
        .collect();
    assert_eq!(places.len(), 3);
    assert_consistent(&store).await;
    for (id, (first, _)) in [a, b, c].into_iter().zip(places) {
        let rows = sqlx::query(
            "select position, payload->>'n' as n from events where aggregate_id = $1 order by version",
        )
        .bind(id)
        .fetch_all(&store.env.owner_pool)
        .await
        .unwrap();
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row.get::<i64, _>("position"), first + n as i64);
            assert_eq!(row.get::<String, _>("n"), n.to_string());
        }
    }
}
