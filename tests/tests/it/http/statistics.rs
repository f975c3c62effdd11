//! How much there is, and how many take part.

use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, node};

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_those_of_the_log() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada").await;
    let (bob_id, bob) = api.person(&place, "Bob").await;
    api.person(&place, "Cem").await;
    let (kept, gone) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [kept, gone] {
        api.command(&ada, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    }
    api.command(&ada, &format!("/v1/nodes/{gone}/remove"), json!({})).await;
    let page = api.get(&format!("/v1/nodes/{kept}"), "").await;
    let mut conversation = page.body["conversation_id"].clone();
    if conversation.is_null() {
        let kind = domain::weave::conversation::ConversationKind::Node;
        conversation = json!(domain::weave::conversation::conversation_id(kind, kept));
    }
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [first, second] {
        let body = json!({"conversation_id": conversation, "content": "Hallo"});
        let posted = api.command(&bob, &format!("/v1/messages/{id}/post"), body).await;
        assert_eq!(posted.status, 200, "{posted:?}");
    }
    api.command(&bob, &format!("/v1/messages/{second}/tombstone"), json!({})).await;
    let left = api.command(&bob, &format!("/v1/accounts/{bob_id}/leave"), json!({})).await;
    assert_eq!(left.status, 200, "{left:?}");

    let stats = api.get_at("/v1/stats", "", left.position()).await;
    assert_eq!(stats.status, 200, "{stats:?}");
    assert!(stats.position() >= left.position());
    assert_eq!(
        (&stats.body["nodes"], &stats.body["accounts"], &stats.body["messages"]),
        (&json!(1), &json!(2), &json!(1)),
        "{stats:?}"
    );
    let acted: i64 = sqlx::query_scalar(
        "select count(distinct metadata->>'actor') from events where metadata->>'actor' <> 'system'",
    )
    .fetch_one(&place.log.owner_pool)
    .await
    .unwrap();
    assert_eq!(stats.body["active"]["last_30_days"], acted, "{stats:?}");
    // Around midnight the people of yesterday are not those of today.
    assert!(stats.body["active"]["day"].as_i64().unwrap() <= acted);
    assert_eq!(api.get("/v1/stats?day=1", "").await.problem(), "bad-parameter");
    let (code, out, err) = place.replay(&["verify", "statistics"]);
    assert_eq!(code, 0, "{out}\n{err}");
}
