//! Messages over HTTP: who may, what is refused, and the quota.

use domain::weave::conversation::{ConversationKind, conversation_id};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, Reply, node};

/// Ties a node; gives its id and its conversation's.
async fn tied(api: &Api, token: &str) -> (Uuid, Uuid) {
    let id = Uuid::now_v7();
    let reply = api.command(token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (id, conversation_id(ConversationKind::Node, id))
}

async fn post(api: &Api, token: &str, conversation: Uuid, content: &str) -> (Uuid, Reply) {
    let id = Uuid::now_v7();
    let body = json!({"conversation_id": conversation, "content": content});
    (id, api.command(token, &format!("/v1/messages/{id}/post"), body).await)
}

async fn act(api: &Api, token: &str, message: Uuid, word: &str, body: Value) -> Reply {
    api.command(token, &format!("/v1/messages/{message}/{word}"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_posted_edited_and_taken_away_by_who_may() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada").await;
    let (_, bob) = api.person(&place, "Bob").await;
    let (_, admin) = api.admin(&place).await;
    let (_, conversation) = tied(&api, &ada).await;

    let (id, posted) = post(&api, &bob, conversation, "Moin").await;
    assert_eq!((posted.status, &posted.body["aggregate_type"]), (200, &json!("message")), "{posted:?}");
    assert_eq!(posted.body["events"][0]["type"], "MessagePosted");
    let edited = act(&api, &bob, id, "edit", json!({"content": "Moin moin"})).await;
    assert_eq!((edited.status, &edited.body["version"]), (200, &json!(2)), "{edited:?}");
    let same = act(&api, &bob, id, "edit", json!({"content": " Moin moin "})).await;
    assert_eq!((same.status, &same.body["events"]), (200, &json!([])), "{same:?}");
    for other in [&ada, &admin] {
        let refused = act(&api, other, id, "edit", json!({"content": "x"})).await;
        assert_eq!((refused.status, refused.problem()), (403, "not-author"));
    }
    let refused = act(&api, &ada, id, "tombstone", json!({})).await;
    assert_eq!((refused.status, refused.problem()), (403, "not-author"));
    let away = act(&api, &admin, id, "tombstone", json!({})).await;
    assert_eq!(away.status, 200, "{away:?}");
    let late = act(&api, &bob, id, "edit", json!({"content": "x"})).await;
    assert_eq!((late.status, late.problem()), (409, "message-tombstoned"));
    // The system's own commands have no route.
    let internal = act(&api, &admin, id, "unbind-author", json!({})).await;
    assert_eq!(internal.status, 404, "{internal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_needs_an_open_conversation_and_good_content() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada").await;
    let (node, conversation) = tied(&api, &ada).await;
    let before = place.events().await;

    let (_, nowhere) = post(&api, &ada, Uuid::now_v7(), "Moin").await;
    assert_eq!((nowhere.status, nowhere.problem()), (404, "not-found"));
    // A node is no conversation.
    let (_, wrong) = post(&api, &ada, node, "Moin").await;
    assert_eq!((wrong.status, wrong.problem()), (404, "not-found"));
    for (content, code) in [(" \n", "blank".to_owned()), (&"x".repeat(4001), "too-long".to_owned())] {
        let (_, bad) = post(&api, &ada, conversation, content).await;
        assert_eq!((bad.status, bad.problem()), (422, code.as_str()));
        assert_eq!(bad.body["errors"][0]["pointer"], "/content", "{bad:?}");
    }
    let (_, stranger) = post(&api, &place.token(Uuid::now_v7(), ""), conversation, "Moin").await;
    assert_eq!((stranger.status, stranger.problem()), (403, "account-not-registered"));
    assert_eq!(place.events().await, before, "nothing was written");

    let removed = api.command(&ada, &format!("/v1/nodes/{node}/remove"), json!({})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    let (_, late) = post(&api, &ada, conversation, "zu spät").await;
    assert_eq!((late.status, late.problem()), (409, "conversation-archived"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_messages_a_minute_per_author_and_conversation_replays_not_counted() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada").await;
    let (_, bob) = api.person(&place, "Bob").await;
    let (_, conversation) = tied(&api, &ada).await;
    let (_, other) = tied(&api, &ada).await;

    let first = Uuid::now_v7();
    let body = json!({"conversation_id": conversation, "content": "eins"});
    let path = format!("/v1/messages/{first}/post");
    let key = [("Idempotency-Key", "eins")];
    let once = api.command_with(&ada, &path, body.clone(), &key).await;
    assert_eq!(once.status, 200, "{once:?}");
    for _ in 0..9 {
        let (_, posted) = post(&api, &ada, conversation, "mehr").await;
        assert_eq!(posted.status, 200, "{posted:?}");
        let again = api.command_with(&ada, &path, body.clone(), &key).await;
        assert_eq!((again.status, &again.body), (200, &once.body), "a replay does not count");
    }
    let (id, eleventh) = post(&api, &ada, conversation, "elf").await;
    assert_eq!((eleventh.status, eleventh.problem()), (429, "too-many-messages"));
    let wait: u64 = eleventh.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let missing = act(&api, &ada, id, "edit", json!({"content": "x"})).await;
    assert_eq!(missing.status, 404, "the refused message does not exist");
    // Others, and other conversations, are not concerned.
    assert_eq!(post(&api, &bob, conversation, "ich").await.1.status, 200);
    assert_eq!(post(&api, &ada, other, "anderswo").await.1.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_began_here_is_not_read_from_the_log() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada").await;
    // From here on Ada's account is in memory.
    let (_, first) = tied(&api, &ada).await;
    let before = misses(&api).await;
    let (_, second) = tied(&api, &ada).await;
    for conversation in [first, second] {
        let (_, posted) = post(&api, &ada, conversation, "Moin").await;
        assert_eq!(posted.status, 200, "{posted:?}");
    }
    assert_eq!(misses(&api).await, before);

    // Another process has to read it, and what it reads is the same.
    let other = place.api().await;
    let (_, posted) = post(&other, &ada, first, "Moin moin").await;
    assert_eq!(posted.status, 200, "{posted:?}");
    assert!(misses(&other).await > 0.0);
}

async fn misses(api: &Api) -> f64 {
    let metrics = api.get("/metrics", "").await.text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("executor_cache_misses_total "));
    line.expect("the counter is there").parse().expect("a number")
}
