use std::sync::Arc;

use eventstore::{
    keys::{KeyStore, MemoryKeyStore},
    seal::Sealer,
    subscription::{Change, PostgresProjection},
};
use kernel::Class;
use serde_json::json;
use uuid::Uuid;

use super::{HISTORY_LIMIT, NodePage, node_detail};
use crate::{
    testing::{ACTOR, Scratch, Story, fold, occurred_at},
    weave::{
        account_page::{AccountPage, tests::sealed},
        conversation::Conversations,
        node::tests::{CREATOR, NODE, redacted, story},
        thread::Threads,
    },
};

#[test]
fn the_history_says_what_when_where_and_who() {
    let mut story = story().then("NodeRevised", json!({"title": "Lehmofen"}));
    story.events[1].metadata =
        serde_json::value::to_raw_value(&json!({"actor": "system", "occurred_at": occurred_at(2)})).unwrap();
    let row = fold(&NodePage, &story.events).unwrap().remove(&NODE).unwrap();
    let [tied, revised] = &row.happened[..] else { panic!("two entries") };
    assert_eq!((tied.event_type.as_str(), tied.version, tied.position), ("NodeTied", 1, 10));
    assert_eq!((tied.at, tied.actor), (occurred_at(1), Some(ACTOR)));
    assert_eq!((revised.event_type.as_str(), revised.actor), ("NodeRevised", None));
}

#[test]
fn a_removed_node_is_a_tombstone_with_its_last_title_only() {
    let removed = story().then("NodeRemoved", json!({"last_title": "Lehmofen"}));
    let row = fold(&NodePage, &removed.events).unwrap().remove(&NODE).unwrap().fields;
    assert_eq!((row.title.as_deref(), row.removed_at), (Some("Lehmofen"), Some(occurred_at(2))));
    assert_eq!((row.kind, row.info, row.summary, row.address), (None, None, None, None));
    assert_eq!((row.tags, row.location), (None, None));

    let removed = story().then("NodeRemoved", json!({"last_title": redacted()}));
    let row = fold(&NodePage, &removed.events).unwrap().remove(&NODE).unwrap().fields;
    assert_eq!((row.title, &row.redacted[..]), (None, &["/title".to_owned()][..]));

    let after = removed.then("NodeRevised", json!({"title": "x"}));
    assert!(fold(&NodePage, &after.events).is_err());
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn a_page_shows_node_creator_and_the_last_of_a_long_history() {
    let scratch = Scratch::begin().await;
    let keys = Arc::new(MemoryKeyStore::new().unwrap());
    let sealer = Sealer::new(Arc::clone(&keys) as Arc<dyn KeyStore>);
    let mut node = story();
    for round in 0..130 {
        node = node.then("NodeRevised", json!({"title": format!("Ofen {round}")}));
    }
    scratch.apply(&NodePage, &node.events[..1]).await;
    assert!(node_detail(&scratch.pool, &sealer, Uuid::nil(), occurred_at(9)).await.unwrap().is_none());
    let detail = node_detail(&scratch.pool, &sealer, NODE, occurred_at(9)).await.unwrap().unwrap();
    assert_eq!((detail.creator, detail.history.len(), detail.position), (None, 1, 0));

    scratch.apply(&NodePage, &node.events[1..50]).await;
    scratch.apply(&NodePage, &node.events[50..]).await;
    scratch.apply(&Conversations, &node.events).await;
    scratch.apply(&Threads, &node.events).await;
    let title = sealed(&sealer, CREATOR, Class::Identity, "/title", json!("Ada")).await;
    let account =
        Story::of("account", CREATOR).then("AccountRegistered", json!({"title": title, "role": "guest"}));
    scratch.apply(&AccountPage, &account.events).await;
    let detail = node_detail(&scratch.pool, &sealer, NODE, occurred_at(9)).await.unwrap().unwrap();
    assert_eq!(detail.position, 10, "the account page is only that far");
    assert_eq!((detail.node.title.as_deref(), detail.node.version), (Some("Ofen 129"), 131));
    assert_eq!(detail.creator.unwrap().title.as_deref(), Some("Ada"));
    assert_eq!(detail.history.len() as i64, HISTORY_LIMIT);
    assert_eq!((detail.history[0].version, detail.history[99].version), (32, 131));
    assert_eq!((detail.history[0].at, detail.history[0].actor), (occurred_at(32), Some(ACTOR)));

    // What an operator's retry does: the whole story again, over the row that is there.
    let row = fold(&NodePage, &node.events).unwrap().remove(&NODE);
    let mut transaction = scratch.pool.begin().await.unwrap();
    sqlx::raw_sql("set local search_path to node_page_g1").execute(&mut *transaction).await.unwrap();
    NodePage.save(&mut transaction, &[Change { key: NODE, existed: true, row }]).await.unwrap();
    transaction.commit().await.unwrap();
    let again = node_detail(&scratch.pool, &sealer, NODE, occurred_at(9)).await.unwrap().unwrap();
    assert_eq!(again.history, detail.history);

    keys.erase(CREATOR, &[Class::Identity]).await.unwrap();
    let detail = node_detail(&scratch.pool, &sealer, NODE, occurred_at(9)).await.unwrap().unwrap();
    let json = serde_json::to_value(&detail).unwrap();
    assert_eq!(json["creator"], json!({"id": CREATOR, "title": null}));
    assert_eq!(json["erased"], json!(["/creator/title"]));
    assert_eq!(json["history"][99]["at"], json!("2026-09-21T14:15:31.123Z"));

    let left = account.then("AccountLeft", json!({}));
    scratch.apply(&AccountPage, &left.events[1..]).await;
    let detail = node_detail(&scratch.pool, &sealer, NODE, occurred_at(9)).await.unwrap().unwrap();
    assert_eq!((detail.creator, detail.node.erased.len()), (None, 0));

    node = node.then("NodeRemoved", json!({"last_title": "Ofen 129"}));
    scratch.apply(&NodePage, &node.events[131..]).await;
    assert!(node_detail(&scratch.pool, &sealer, NODE, occurred_at(9)).await.unwrap().is_none());
    let entries: i64 = sqlx::query_scalar("select count(*) from node_page_g1.node_history")
        .fetch_one(&scratch.pool)
        .await
        .unwrap();
    assert_eq!(entries, 132);
    scratch.end().await;
}
