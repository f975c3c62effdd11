//! Scenario 10: leaving is all or nothing, and a used account id gains nothing. The reactor that
//! takes the person off nodes and messages goes on where a killed one left off.

use std::time::Duration;

use domain::weave::conversation::{ConversationKind, conversation_id};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, node};

const NODES: usize = 900;

async fn tie_many(api: &Api, token: &str, count: usize) -> Vec<Uuid> {
    stream::iter((0..count).map(|_| async move {
        let id = Uuid::now_v7();
        let reply = api.command(token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        id
    }))
    .buffer_unordered(24)
    .collect()
    .await
}

async fn count(place: &Installation, event_type: &str) -> (i64, i64) {
    sqlx::query_as("select count(*), count(distinct aggregate_id) from events where type = $1")
        .bind(event_type)
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap()
}

/// What `replay status` says of the reactor.
fn reactor(place: &Installation) -> Value {
    let (code, out, errors) = place.replay(&["--json", "status"]);
    assert_eq!(code, 0, "{errors}");
    let status: Value = serde_json::from_str(&out).unwrap();
    let reactors = status["reactors"].as_array().unwrap();
    reactors.iter().find(|one| one["name"] == "unbind-works").cloned().unwrap_or(Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_10_leaving_unbinds_everything_once_though_the_reactor_is_killed_in_the_middle() {
    let place = Installation::new().await;
    let api = place.api_with(&[("ROLES", "command,query,relay,projector")]).await;
    let (ada_id, ada) = api.person(&place, "Ada").await;
    let (_, bob) = api.person(&place, "Bob").await;
    let nodes = tie_many(&api, &ada, NODES).await;
    let (_, foreign) = (Uuid::nil(), tie_many(&api, &bob, 1).await[0]);
    let message = Uuid::now_v7();
    let conversation = conversation_id(ConversationKind::Node, foreign);
    let body = json!({"conversation_id": conversation, "content": "Tschüss"});
    let posted = api.command(&ada, &format!("/v1/messages/{message}/post"), body).await;
    assert_eq!(posted.status, 200, "{posted:?}");
    // A removed node is unbound, too, and no read model stumbles over it.
    let removed = api.command(&ada, &format!("/v1/nodes/{}/remove", nodes[1]), json!({})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    let left = api.command(&ada, &format!("/v1/accounts/{ada_id}/leave"), json!({})).await;
    assert_eq!(left.status, 200, "{left:?}");

    // All or nothing: from that position on the person does nothing any more, anywhere.
    let late = api.command(&ada, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("x")).await;
    assert_eq!((late.status, late.problem()), (403, "account-not-active"));
    let again = json!({"title": "Ada", "email": "ada.again@example.org"});
    let reused = api.command(&ada, &format!("/v1/accounts/{ada_id}/register"), again).await;
    assert_eq!(reused.status, 409, "a used id is not registered again: {reused:?}");
    assert_eq!(count(&place, "NodeCreatorUnbound").await.0, 0, "no reactor has run yet");

    // Killed as soon as it is seen in the middle; whether it was is not left to luck.
    let mut caught = 0;
    for _ in 0..20 {
        let mut reacting = place.api_with(&[("ROLES", "reactor")]).await;
        for _ in 0..2_000 {
            let done = count(&place, "NodeCreatorUnbound").await.0 as usize;
            if done > caught {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        reacting.kill();
        let done = count(&place, "NodeCreatorUnbound").await.0 as usize;
        if done > caught && done < NODES {
            caught = done;
            assert_eq!(reactor(&place)["busy"], true, "{}", reactor(&place));
        }
        if done == NODES {
            break;
        }
    }
    assert!(caught > 0, "no kill hit the middle");

    // Two at once, and everything is done exactly once.
    let (_one, _two) =
        (place.api_with(&[("ROLES", "reactor")]).await, place.api_with(&[("ROLES", "reactor")]).await);
    for _ in 0..600 {
        if count(&place, "MessageAuthorUnbound").await.0 == 1
            && count(&place, "NodeCreatorUnbound").await.0 == NODES as i64
            && reactor(&place)["busy"] == false
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(count(&place, "NodeCreatorUnbound").await, (NODES as i64, NODES as i64));
    assert_eq!(count(&place, "MessageAuthorUnbound").await, (1, 1));
    assert!(reactor(&place)["position"].as_i64().unwrap() >= left.position());

    let last: i64 =
        sqlx::query_scalar("select position from log_head").fetch_one(&place.log.owner_pool).await.unwrap();
    for id in [nodes[0], nodes[NODES / 2], nodes[NODES - 1]] {
        let page = api.get_at(&format!("/v1/nodes/{id}"), "", last).await;
        assert_eq!((page.status, &page.body["created_by"]), (200, &Value::Null), "{page:?}");
    }
    // A node without a creator is counted for nobody when it goes, and a rebuild counts alike.
    let (_, admin) = api.admin(&place).await;
    let gone = api.command(&admin, &format!("/v1/nodes/{}/remove", nodes[2]), json!({})).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    let (code, out, errors) = place.replay(&["reservations", "rebuild", "--check"]);
    assert_eq!(code, 0, "{out}{errors}");
    let untouched = api.get_at(&format!("/v1/nodes/{foreign}"), "", last).await;
    assert!(untouched.body["created_by"].is_string(), "{untouched:?}");
    let parked: i64 = sqlx::query_scalar("select count(*) from parked_events")
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
    assert_eq!(parked, 0);
    // Whose they were is nobody's business in what a reaction records.
    let metadata: Vec<String> = sqlx::query_scalar(
        "select metadata::text || payload::text from events where type = 'NodeCreatorUnbound'",
    )
    .fetch_all(&place.log.owner_pool)
    .await
    .unwrap();
    assert!(metadata.iter().all(|text| !text.contains(&ada_id.to_string())));
    // Their ids come from what caused them, so they are the same whoever decides.
    let ids: i64 = sqlx::query_scalar(
        "select count(distinct metadata->>'command_id') from events where type = 'NodeCreatorUnbound'",
    )
    .fetch_one(&place.log.owner_pool)
    .await
    .unwrap();
    assert_eq!(ids, NODES as i64);
}
