//! Partitions are attached ahead, and attaching stops nobody.

use std::time::Duration;

use eventstore::{append::Outcome, log::ensure_partitions};
use sqlx::{Connection, Row};
use uuid::Uuid;

use crate::support::{LogEnv, store, write};

/// Small partitions, before there is any event.
async fn small_partitions(env: &LogEnv, size: i64) {
    let tables = sqlx::query("select name from log_partitions").fetch_all(&env.owner_pool).await.unwrap();
    for row in tables {
        let name: String = row.get(0);
        sqlx::raw_sql(&format!("drop table {name}")).execute(&env.owner_pool).await.unwrap();
    }
    sqlx::raw_sql(&format!(
        "delete from log_partitions; update log_settings set partition_size = {size}; select ensure_partitions(2)"
    ))
    .execute(&env.owner_pool)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_go_on_across_partitions_while_a_reader_holds_the_log_open() {
    let store = store().await;
    small_partitions(&store.env, 40).await;
    let mut reader = sqlx::PgConnection::connect_with(&store.env.options).await.unwrap();
    let mut open = reader.begin_with("begin isolation level repeatable read").await.unwrap();
    sqlx::query("select count(*) from events").execute(&mut *open).await.unwrap();

    let id = Uuid::now_v7();
    for version in 0..300 {
        if version % 30 == 0 {
            // Bounded only so that a failure ends: nothing here may wait for the reader.
            let step =
                tokio::time::timeout(Duration::from_secs(20), ensure_partitions(store.env.log.pg())).await;
            step.expect("attaching waits for an open reader").unwrap();
        }
        let appended =
            tokio::time::timeout(Duration::from_secs(20), store.appender.append(write(id, version)));
        let outcome = appended.await.expect("an append waits for an open reader").unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)));
    }
    open.rollback().await.unwrap();
    let used: i64 = sqlx::query_scalar("select count(distinct tableoid) from events")
        .fetch_one(&store.env.owner_pool)
        .await
        .unwrap();
    assert_eq!(used, 8);
    let stream = eventstore::log::load_stream(store.env.log.pg(), id, 0).await.unwrap();
    assert_eq!(stream.events.len(), 300, "a stream is read across its partitions");
}

/// Negative control: this is why partitions are not created in place.
#[tokio::test(flavor = "multi_thread")]
async fn creating_a_partition_in_place_would_wait_behind_an_open_reader() {
    let store = store().await;
    let mut reader = sqlx::PgConnection::connect_with(&store.env.options).await.unwrap();
    let mut open = reader.begin().await.unwrap();
    sqlx::query("select count(*) from events").execute(&mut *open).await.unwrap();
    let error = sqlx::raw_sql(
        "set lock_timeout = '300ms';
         create table in_place partition of events for values from (900000000) to (900000001)",
    )
    .execute(&store.env.owner_pool)
    .await
    .unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "55P03");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keepers_at_once_make_each_partition_once() {
    let store = store().await;
    small_partitions(&store.env, 10).await;
    let keepers: Vec<_> = (0..8)
        .map(|_| {
            let pool = store.env.log.pg().clone();
            tokio::spawn(async move { ensure_partitions(&pool).await.unwrap() })
        })
        .collect();
    for _ in 0..25 {
        store.appender.append(write(Uuid::now_v7(), 0)).await.unwrap();
    }
    for keeper in keepers {
        keeper.await.unwrap();
    }
    ensure_partitions(store.env.log.pg()).await.unwrap();
    let row = sqlx::query(
        "select count(*) as n, count(distinct from_position) as d, max(to_position) as m from log_partitions",
    )
    .fetch_one(&store.env.owner_pool)
    .await
    .unwrap();
    assert_eq!(row.get::<i64, _>("n"), row.get::<i64, _>("d"));
    assert_eq!(row.get::<i64, _>("m"), 51, "the one being written and two ahead");
}
