//! Queries on a replica: its answers name its own position, a later one comes from the primary, and
//! nobody notices that it lags for long or dies.

use std::time::{Duration, Instant};

use domain::weave::conversation::{ConversationKind, conversation_id};
use serde_json::json;
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    failover::standby::Standby,
    support::{Api, Installation, node, own_cluster},
};

async fn metric(api: &Api, name: &str) -> Option<f64> {
    let metrics = api.get("/metrics", "").await.text;
    metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse().ok())
}

async fn until_usable(api: &Api, usable: bool) {
    let since = Instant::now();
    while metric(api, "replica_usable").await != Some(f64::from(u8::from(usable))) {
        assert!(since.elapsed() < Duration::from_secs(60), "the replica stays as it was: {}", api.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_answers_at_its_own_position_and_the_primary_whatever_is_later() {
    let own = own_cluster().await;
    let standby = Standby::of(&own).await;
    let mut place = Installation::new().await;
    place.log = own.env;
    let url = standby.options().to_url_lossy().to_string();
    let api = place.api_with(&[("DATABASE_READ_URL", &url)]).await;
    let (person, ada) = api.person(&place, "Ada").await;
    let old = Uuid::now_v7();
    let tied = api.command(&ada, &format!("/v1/nodes/{old}/tie"), node("Apfelbaum")).await;
    until_usable(&api, true).await;
    standby.until_at(tied.position()).await;
    // Both the same, here from either.
    let page = api.get_at(&format!("/v1/nodes/{old}"), "", tied.position()).await;
    assert_eq!((page.status, &page.body["title"]), (200, &json!("Apfelbaum")));

    let replica = standby.owner_pool();
    sqlx::query("select pg_wal_replay_pause()").execute(&replica).await.unwrap();
    let paused = || async {
        let state: String =
            sqlx::query_scalar("select pg_get_wal_replay_pause_state()").fetch_one(&replica).await.unwrap();
        state == "paused"
    };
    while !paused().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stood: i64 = sqlx::query_scalar("select position from log_head").fetch_one(&replica).await.unwrap();
    let new = Uuid::now_v7();
    let later = api.command(&ada, &format!("/v1/nodes/{new}/tie"), node("Birnbaum")).await.position();
    assert!(later > stood);

    // The negative control: without Min-Position the answer is the replica's, and says so.
    assert_eq!(api.get(&format!("/v1/nodes/{new}"), "").await.status, 404);
    let map = api.get("/v1/nodes", "").await;
    assert!(map.position() <= stood && !map.text.contains("Birnbaum"), "{map:?}");
    assert!(api.get("/v1/search?q=birnbaum", "").await.position() <= stood);
    let conversation = conversation_id(ConversationKind::Node, new);
    for path in [
        "/v1/nodes".to_owned(),
        format!("/v1/nodes/{new}"),
        "/v1/accounts".to_owned(),
        format!("/v1/accounts/{person}"),
        format!("/v1/conversations/{conversation}/messages"),
        format!("/v1/threads?node={new}"),
        "/v1/activity".to_owned(),
        "/v1/search?q=birnbaum".to_owned(),
        "/v1/search/suggest?q=birn".to_owned(),
        "/v1/stats".to_owned(),
        "/v1/trending".to_owned(),
    ] {
        let reply = api.get_at(&path, &ada, later).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(reply.position() >= later, "{path}: {reply:?}");
        assert!(!path.contains("/nodes") || reply.text.contains("Birnbaum"), "{path}: {reply:?}");
        // What the replica has it answers itself, also when a position is asked for. Answers that are
        // kept are as new as the last that was made, and the accounts on the map are the primary's.
        let early = api.get_at(&path, &ada, 1).await;
        match path.as_str() {
            "/v1/stats" | "/v1/trending" | "/v1/accounts" => assert_eq!(early.status, 200, "{path}"),
            path if path.contains("/conversations/") || path.contains(&format!("/nodes/{new}")) => {
                assert_eq!(early.status, 404, "{path}: {early:?}");
            }
            path => assert!(early.position() <= stood, "{path}: {early:?}"),
        }
    }
    assert!(metric(&api, "replica_lag_events").await.unwrap() >= 1.0);
    // A position that is nowhere yet is not lost.
    assert_eq!(api.get_at("/v1/nodes", "", later + 1_000).await.problem(), "not-caught-up");

    // Too far behind, everything comes from the primary; caught up, it is used again.
    until_usable(&api, false).await;
    assert_eq!(api.get(&format!("/v1/nodes/{new}"), "").await.status, 200);
    sqlx::query("select pg_wal_replay_resume()").execute(&replica).await.unwrap();
    standby.until_at(later).await;
    until_usable(&api, true).await;
    assert_eq!(api.get(&format!("/v1/nodes/{new}"), "").await.status, 200);

    // It dies: in a moment nobody is sent there any more.
    drop(standby);
    until_usable(&api, false).await;
    for _ in 0..20 {
        let map = api.get("/v1/nodes", "").await;
        assert!(map.status == 200 && map.text.contains("Birnbaum"), "{map:?}");
        assert_eq!(api.get("/v1/stats", "").await.status, 200);
    }
    drop(own.cluster);
}
