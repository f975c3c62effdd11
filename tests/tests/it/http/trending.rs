//! What is talked about, with Redis and without it.

use std::time::Duration;

use domain::weave::conversation::{ConversationKind, conversation_id};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, node, redis_env};

async fn tie(api: &Api, token: &str, title: &str) -> Uuid {
    let id = Uuid::now_v7();
    let tied = api.command(token, &format!("/v1/nodes/{id}/tie"), node(title)).await;
    assert_eq!(tied.status, 200, "{tied:?}");
    id
}

async fn post(api: &Api, token: &str, node: Uuid) -> i64 {
    let conversation = conversation_id(ConversationKind::Node, node);
    let body = json!({"conversation_id": conversation, "content": "Zwetschgenmus um vier"});
    let posted = api.command(token, &format!("/v1/messages/{}/post", Uuid::now_v7()), body).await;
    assert_eq!(posted.status, 200, "{posted:?}");
    posted.position()
}

async fn trending(api: &Api, query: &str, position: i64) -> Vec<(String, i64, i64)> {
    let reply = api.get_at(&format!("/v1/trending?{query}"), "", position).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.position() >= position, "{reply:?}");
    let item = |item: &Value| {
        assert!(item["node"]["id"].is_string() && item["node"]["kind"] == "garten", "{item}");
        let title = item["node"]["title"].as_str().unwrap().to_owned();
        (title, item["score"].as_i64().unwrap(), item["live_threads"].as_i64().unwrap())
    };
    reply.body["items"].as_array().unwrap().iter().map(item).collect()
}

fn row(title: &str, score: i64, threads: i64) -> (String, i64, i64) {
    (title.to_owned(), score, threads)
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_make_nodes_rise_and_removed_ones_are_left_out_with_redis_or_without() {
    let (place, mut redis) = (Installation::new().await, redis_env().await);
    let url = redis.url();
    let api = place.api_with(&[("REDIS_URL", &url)]).await;
    let (_, ada) = api.person(&place, "Ada Quitte").await;
    let (bob_id, bob) = api.person(&place, "Bob Mirabelle").await;
    let (a, b) = (tie(&api, &ada, "Acker").await, tie(&api, &ada, "Beet").await);
    let gone = tie(&api, &ada, "Chor").await;
    api.command(&ada, &format!("/v1/nodes/{a}/revise"), json!({"summary": "neu"})).await;
    post(&api, &ada, b).await;
    post(&api, &bob, b).await;
    let last = post(&api, &bob, gone).await;
    let all = [row("Beet", 7, 3), row("Chor", 5, 2), row("Acker", 4, 1)];
    for window in ["window=24h", "window=7d", "window=30d", ""] {
        assert_eq!(trending(&api, window, last).await, all, "{window}");
    }
    assert_eq!(trending(&api, "limit=1", last).await, all[..1]);
    for bad in ["window=1h", "limit=0", "limit=101", "x=1"] {
        assert_eq!(api.get(&format!("/v1/trending?{bad}"), "").await.problem(), "bad-parameter", "{bad}");
    }
    let removed = api.command(&ada, &format!("/v1/nodes/{gone}/remove"), json!({})).await;
    let left = [row("Beet", 7, 3), row("Acker", 4, 1)];
    assert_eq!(trending(&api, "", removed.position()).await, left);

    // Ids only: nothing that anybody wrote is in Redis.
    let keys: Vec<String> = redis.ask("KEYS wg:*").await;
    assert!(!keys.is_empty());
    for key in keys {
        let dumped: Vec<u8> =
            redis::cmd("DUMP").arg(&key).query_async(&mut redis.connection().await).await.unwrap();
        let text = format!("{key} {}", String::from_utf8_lossy(&dumped));
        for word in ["Quitte", "Mirabelle", "Beet", "Acker", "garten", "Zwetschgenmus", "example.org"] {
            assert!(!text.contains(word), "{word} in {key}");
        }
    }

    // Without Redis everything goes on, and the log's newest events answer.
    redis.kill();
    assert_eq!(trending(&api, "", removed.position()).await, left);
    let last = post(&api, &ada, a).await;
    let now = [row("Beet", 7, 3), row("Acker", 6, 2)];
    assert_eq!(trending(&api, "window=7d", last).await, now);
    assert_eq!(api.get("/health/ready", "").await.status, 200);

    redis.restart().await;
    let verify = || place.replay(&["--redis-url", &url, "verify", "hot_views"]);
    let mut verified = verify();
    for _ in 0..100 {
        if verified.0 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        verified = verify();
    }
    assert_eq!(verified.0, 0, "{verified:?}");
    assert!(verified.1.contains("hot_views: generation 1 agrees with the log"), "{verified:?}");
    assert_eq!(trending(&api, "", last).await, now);
    redis.flush().await;
    assert_eq!(trending(&api, "", last).await, now);

    // Who leaves takes the threads along, the acts remain.
    let left = api.command(&bob, &format!("/v1/accounts/{bob_id}/leave"), json!({})).await;
    assert_eq!(left.status, 200, "{left:?}");
    let after = [row("Beet", 7, 2), row("Acker", 6, 2)];
    assert_eq!(trending(&api, "", left.position()).await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_tool_shows_compares_and_rebuilds_the_hot_views() {
    // The private Redis of the data folder.
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada").await;
    let id = tie(&api, &ada, "Acker").await;
    let last = post(&api, &ada, id).await;
    assert_eq!(trending(&api, "", last).await, [row("Acker", 5, 2)]);
    let (code, out, err) = place.replay(&["rebuild", "hot_views"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("hot_views: generation 2 is live at position"), "{out}");
    let (code, out, err) = place.replay(&["verify"]);
    assert_eq!(code, 0, "{out}\n{err}");
    for name in ["node_page", "statistics", "hot_views"] {
        assert!(out.contains(&format!("{name}: generation")), "{out}");
    }
    let (code, out, err) = place.replay(&["status", "--json"]);
    assert_eq!(code, 0, "{err}");
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&status["hot_views"]["generation"], &status["hot_views"]["lag"]),
        (&json!(2), &json!(0)),
        "{out}"
    );
    assert_eq!(trending(&api, "", last).await, [row("Acker", 5, 2)]);
    let (code, _, err) = place.replay(&["rollback", "hot_views"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("replay rebuild hot_views"), "{err}");
}
