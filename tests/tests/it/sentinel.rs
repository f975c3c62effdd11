//! The silent-gap sentinel of a running process: a read model that stepped over an event is found
//! without anybody asking.

use std::time::Duration;

use eventstore::append::{Append, Appender, AppenderConfig, Outcome, Write};
use kernel::{AggregateRef, Name};
use sqlx::Row;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    replay_cli::{node, prepared},
    support::{Api, Installation},
};

async fn tie(installation: &Installation, title: &str) -> i64 {
    let config = AppenderConfig::default();
    let appender = Appender::start(installation.log.log.clone(), config, CancellationToken::new());
    let write = Write {
        aggregate: AggregateRef::new(Name::constant("node"), Uuid::now_v7()),
        expected_version: 0,
        events: vec![prepared(Uuid::now_v7(), "NodeTied", node(title))],
        external_id: None,
    };
    match appender.append(Append { writes: vec![write], ..Append::default() }).await.unwrap() {
        Outcome::Committed(at) => at.last_position,
        other => panic!("{other:?}"),
    }
}

async fn until_at(installation: &Installation, position: i64) {
    for _ in 0..600 {
        let row = sqlx::query("select min(position) from projection_checkpoints where state = 'live'")
            .fetch_one(&installation.log.owner_pool)
            .await
            .unwrap();
        if row.get::<i64, _>(0) >= position {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the read models never came to {position}");
}

async fn metric(api: &Api, wanted: &str) -> bool {
    for _ in 0..300 {
        let text = reqwest::get(format!("{}/metrics", api.url)).await.unwrap().text().await.unwrap();
        if text.lines().any(|line| line == wanted) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test]
async fn a_read_model_that_stepped_over_an_event_is_found_by_the_running_process() {
    let installation = Installation::new().await;
    let api = installation.api().await;
    let first = tie(&installation, "Garten").await;
    until_at(&installation, first).await;
    assert!(metric(&api, "sentinel_agrees{projection=\"node_page\"} 1").await);
    drop(api);

    let skipped = tie(&installation, "Werkstatt").await;
    sqlx::query("update projection_checkpoints set position = $1 where projection = 'node_page'")
        .bind(skipped)
        .execute(&installation.log.owner_pool)
        .await
        .unwrap();
    let api = installation.api().await;
    until_at(&installation, skipped).await;
    assert!(metric(&api, "sentinel_agrees{projection=\"node_page\"} 0").await);
    assert!(metric(&api, "sentinel_missing_events{projection=\"node_page\"} 1").await);
    assert!(metric(&api, "sentinel_agrees{projection=\"node_map\"} 1").await, "the others are right");
    // Late it is not.
    assert!(metric(&api, "projection_lag_events{projection=\"node_page\"} 0").await);
}
