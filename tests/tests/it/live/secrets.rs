//! What strangers never hear.

use serde_json::json;
use uuid::Uuid;

use super::listener::{Listener, positions};
use crate::support::{Api, Installation, node};

async fn done(api: &Api, token: &str, path: String, body: serde_json::Value) -> i64 {
    let reply = api.command(token, &path, body).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.position()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_hears_nothing_private_of_anybody() {
    let place = Installation::new().await;
    let api = place.api().await;
    let start = api.get("/health/ready", "").await.position();
    let mut stranger = Listener::open(&api, "", "", None).await;
    let ada = Uuid::now_v7();
    let (token, other) = (place.token(ada, ""), api.person(&place, "Bob").await.1);
    let account = |word: &str| format!("/v1/accounts/{ada}/{word}");
    done(
        &api,
        &token,
        account("register"),
        json!({"title": "CANARY-title", "email": "canary-mail@example.org"}),
    )
    .await;
    done(
        &api,
        &token,
        account("describe"),
        json!({"summary": "CANARY-summary", "tags": ["CANARY-tag"], "address": "CANARY-address"}),
    )
    .await;
    let placed =
        json!({"map_state": "radius", "radius_m": 500, "location": {"lat": 53.123_456, "lon": 9.654_321}});
    done(&api, &token, account("place"), placed).await;
    let mail = done(&api, &token, account("change-email"), json!({"email": "canary-new@example.org"})).await;
    // A private node: its owner hears of it, nobody else.
    let hidden = Uuid::now_v7();
    let mut body = node("CANARY-private");
    body["search_visibility"] = json!("private");
    let tied = done(&api, &token, format!("/v1/nodes/{hidden}/tie"), body).await;
    done(&api, &token, format!("/v1/nodes/{hidden}/revise"), json!({"info": "CANARY-info"})).await;
    let conversation =
        api.get_at(&format!("/v1/nodes/{hidden}"), "", tied).await.body["conversation_id"].clone();
    let message = Uuid::now_v7();
    let said = json!({"conversation_id": conversation, "content": "CANARY-content"});
    done(&api, &token, format!("/v1/messages/{message}/post"), said).await;
    // A public one ends it.
    let last = done(&api, &other, format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("Garten")).await;
    let heard = stranger.until(last).await;
    let text = serde_json::to_string(&heard).unwrap();
    assert!(!text.contains("CANARY") && !text.to_lowercase().contains("canary"), "{text}");
    assert!(!text.contains("53.1234") && !text.contains("9.6543"), "{text}");
    assert!(!text.contains(&hidden.to_string()) && !text.contains(&message.to_string()), "{text}");
    assert!(!positions(&heard).contains(&mail), "that an address of hers has changed is hers to know");
    assert!(
        heard.iter().any(|event| event["type"] == "AccountPlaced" && event["data"] == json!({})),
        "{text}"
    );
    // The same from the log, for a stranger who comes late, and for another account.
    for token in ["", &other] {
        let again = Listener::open(&api, "", token, Some(start)).await.until(last).await;
        let expected: Vec<_> = heard.iter().map(|event| &event["position"]).collect();
        assert_eq!(again.iter().map(|event| &event["position"]).collect::<Vec<_>>(), expected);
        assert!(!serde_json::to_string(&again).unwrap().to_lowercase().contains("canary"));
    }
    let own = Listener::open(&api, "?mine=true", &token, Some(start)).await.until(last - 2).await;
    let text = serde_json::to_string(&own).unwrap();
    assert!(text.contains("CANARY-content") && positions(&own).contains(&mail), "{text}");
    assert!(
        !text.contains("canary-new") && !text.contains("CANARY-address") && !text.contains("53.1234"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn going_out_of_sight_takes_effect_at_its_position() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let start = api.get("/health/ready", "").await.position();
    let mut stranger = Listener::open(&api, "", "", None).await;
    let mut owner = Listener::open(&api, "", &token, None).await;
    let id = Uuid::now_v7();
    let path = |word: &str| format!("/v1/nodes/{id}/{word}");
    let tied = done(&api, &token, path("tie"), node("Garten")).await;
    let seen = done(&api, &token, path("revise"), json!({"title": "Offen"})).await;
    let gone = done(&api, &token, path("set-visibility"), json!({"search_visibility": "hidden"})).await;
    let unseen = done(&api, &token, path("revise"), json!({"title": "Verborgen"})).await;
    let back = done(&api, &token, path("set-visibility"), json!({"search_visibility": "public"})).await;
    let again = done(&api, &token, path("revise"), json!({"title": "Wieder offen"})).await;
    let expected = [tied - 1, tied, seen, gone, back, again];
    assert_eq!(positions(&stranger.until(again).await), expected);
    assert_eq!(positions(&owner.until(again).await), [tied - 1, tied, seen, gone, unseen, back, again]);
    let mut late = Listener::open(&api, "", "", Some(start)).await;
    assert_eq!(positions(&late.until(again).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_taken_back_or_erased_does_not_come_back_from_the_log() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (ada, token) = api.person(&place, "Ada").await;
    let (_, bob) = api.person(&place, "Bob").await;
    let start = api.get("/health/ready", "").await.position();
    let id = Uuid::now_v7();
    let tied = done(&api, &bob, format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    let conversation = api.get_at(&format!("/v1/nodes/{id}"), "", tied).await.body["conversation_id"].clone();
    let mut live = Listener::open(&api, "?aggregate_type=message", "", None).await;
    let [edited, taken, kept] = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
    for (message, text) in [(edited, "CANARY-first"), (taken, "CANARY-second"), (kept, "Bleibt")] {
        let said = json!({"conversation_id": conversation, "content": text});
        let posted = done(&api, &token, format!("/v1/messages/{message}/post"), said).await;
        let heard = live.until(posted).await;
        assert_eq!(heard[0]["data"], json!({"author_id": ada, "content": text}), "a public conversation");
    }
    done(&api, &token, format!("/v1/messages/{edited}/edit"), json!({"content": "Danach"})).await;
    let last = done(&api, &token, format!("/v1/messages/{taken}/tombstone"), json!({})).await;
    let mut late = Listener::open(&api, "?aggregate_type=message", "", Some(start)).await;
    let heard = late.until(last).await;
    let text = serde_json::to_string(&heard).unwrap();
    assert!(!text.contains("CANARY") && text.contains("Danach") && text.contains("Bleibt"), "{text}");
    assert_eq!(heard.len(), 5, "that it happened is told");
    assert_eq!(heard[0]["data"], json!(null));
    // She leaves: what she said stays, that it was she does not.
    let asked = api.command(&token, &format!("/v1/accounts/{ada}/forget"), json!({"content": "keep"})).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let unbound = async {
        let mut listener = Listener::open(&api, "?type=MessageAuthorUnbound", "", Some(start)).await;
        let mut left = std::collections::HashSet::from([edited, kept]);
        let mut last = 0;
        while !left.is_empty() {
            let event = listener.next().await.expect("it goes on");
            left.remove(&event["aggregate_id"].as_str().unwrap().parse().unwrap());
            last = event["position"].as_i64().unwrap();
        }
        last
    };
    let last = tokio::time::timeout(super::listener::PATIENCE * 2, unbound).await.expect("it is done");
    let heard = Listener::open(&api, "?aggregate_type=message", "", Some(start)).await.until(last).await;
    let text = serde_json::to_string(&heard).unwrap();
    assert!(!text.contains(&ada.to_string()) && !text.contains("Bleibt"), "{text}");
}
