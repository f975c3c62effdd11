//! The append reaches its rows by index only, on an empty and on a large database, and is never
//! compiled: PostgreSQL's own account of the plans it ran (auto_explain) says so.

use eventstore::append::{Append, Assert, Receipt, Reservation};
use uuid::Uuid;

use crate::support::{OwnCluster, own_cluster_with, thing, write};

async fn explained() -> OwnCluster {
    own_cluster_with(&[
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_nested_statements", "on"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
        ("jit", "on"),
    ])
    .await
}

/// Batches with everything an append can carry.
async fn append_everything(own: &OwnCluster) {
    let log = eventstore::connect_log(own.env.options.clone(), 2).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let appender = eventstore::append::Appender::start(log, Default::default(), stop);
    let actor = Uuid::now_v7();
    appender.append(write(actor, 0)).await.unwrap();
    for round in 0..4 {
        let requests: Vec<_> = (0..64u8)
            .map(|n| {
                let id = Uuid::now_v7();
                let mut hash = [n; 32];
                hash[31] = round;
                let request = Append {
                    asserts: vec![Assert { aggregate: thing(actor), version: 1 }],
                    reservations: vec![Reservation::Take { scope: "name", hash, owner: id }],
                    receipt: Some(Receipt {
                        key_hash: hash,
                        fingerprint: hash,
                        aggregate_id: id,
                        first_version: 1,
                        position: None,
                    }),
                    ..write(id, 0)
                };
                let appender = appender.clone();
                tokio::spawn(async move {
                    appender.append(request).await.unwrap();
                    // A conflict and an update, for the slow path and the existing row.
                    appender.append(write(id, 0)).await.unwrap();
                    appender.append(write(id, 1)).await.unwrap();
                })
            })
            .collect();
        for request in requests {
            request.await.unwrap();
        }
    }
}

/// What auto_explain wrote about statements inside `append_batch` since `offset`.
fn plans(own: &OwnCluster, offset: usize) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(own.folder.path().join("logs")).unwrap() {
        text.push_str(&String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()));
    }
    text.split_off(offset)
}

fn assert_by_index(plans: &str) {
    assert!(plans.contains("command_receipts") && plans.contains("Insert on streams"), "nothing explained");
    for forbidden in [
        "Seq Scan on streams",
        "Seq Scan on events",
        "Seq Scan on command_receipts",
        "Seq Scan on reservations",
        "Hash Join",
        "Merge Join",
        "JIT:",
    ] {
        if let Some(at) = plans.find(forbidden) {
            let from = plans[..at].rfind("Query Text").unwrap_or(0);
            panic!("{forbidden} in\n{}", &plans[from..(at + 400).min(plans.len())]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_on_an_empty_database_and_after_a_million_rows() {
    let own = explained().await;
    let before = plans(&own, 0).len();
    append_everything(&own).await;
    assert_by_index(&plans(&own, before));

    sqlx::raw_sql(
        "set auto_explain.log_min_duration = -1;
         insert into streams
         select gen_random_uuid(), 'thing', 1, n + 100000, n + 100000 from generate_series(1, 1000000) n;
         insert into events
         select n + 100000, 1, now(), gen_random_uuid(), gen_random_uuid(), 1, 'thing', 'ThingDone',
                '{}', '{}', null, '' from generate_series(1, 1000000) n;
         insert into command_receipts
         select sha256(int4send(n)), '', gen_random_uuid(), 1, 1, null, now() from generate_series(1, 1000000) n;
         update log_head set position = 1100000;
         analyze;",
    )
    .execute(&own.env.owner_pool)
    .await
    .unwrap();
    let before = plans(&own, 0).len();
    append_everything_again(&own).await;
    assert_by_index(&plans(&own, before));
}

/// The same with other keys: the first round's are taken.
async fn append_everything_again(own: &OwnCluster) {
    sqlx::raw_sql("set auto_explain.log_min_duration = -1; delete from reservations; delete from command_receipts where event_count = 1 and fingerprint <> ''")
        .execute(&own.env.owner_pool)
        .await
        .unwrap();
    append_everything(own).await;
}
