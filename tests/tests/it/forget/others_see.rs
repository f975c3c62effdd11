//! What other people see of somebody who was forgotten, over HTTP.

use domain::weave::conversation::{ConversationKind, conversation_id};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{LEASE, plant, until};
use crate::support::{Api, Installation, node};

struct Village {
    place: Installation,
    api: Api,
    ada: (Uuid, String),
    bob: (Uuid, String),
    /// Ada's node, and Bob's, where she said something.
    nodes: (Uuid, Uuid),
    message: Uuid,
}

async fn village() -> Village {
    let place = Installation::new().await;
    let api = place.api_with(&[LEASE]).await;
    let ada_id = Uuid::now_v7();
    let ada = place.token(ada_id, "");
    plant(&api, ada_id, &ada, 7).await;
    let bob = api.person(&place, "Bob").await;
    let nodes = (Uuid::now_v7(), Uuid::now_v7());
    for (token, id) in [(&ada, nodes.0), (&bob.1, nodes.1)] {
        let tied = api.command(token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
        assert_eq!(tied.status, 200, "{tied:?}");
    }
    let message = Uuid::now_v7();
    let body = json!({"conversation_id": conversation_id(ConversationKind::Node, nodes.1), "content": "Guten Morgen"});
    let posted = api.command(&ada, &format!("/v1/messages/{message}/post"), body).await;
    assert_eq!(posted.status, 200, "{posted:?}");
    Village { place, api, ada: (ada_id, ada), bob, nodes, message }
}

impl Village {
    async fn head(&self) -> i64 {
        let sql = "select position from log_head";
        sqlx::query_scalar(sql).fetch_one(&self.place.log.owner_pool).await.unwrap()
    }

    /// What Bob sees now: Ada's page, her node, the message, threads at his node, activity there.
    async fn seen(&self) -> Value {
        let (api, bob, at) = (&self.api, &self.bob.1, self.head().await);
        let page = api.get_at(&format!("/v1/accounts/{}", self.ada.0), bob, at).await;
        let node = api.get_at(&format!("/v1/nodes/{}", self.nodes.0), bob, at).await;
        let conversation = conversation_id(ConversationKind::Node, self.nodes.1);
        let path = format!("/v1/conversations/{conversation}/messages");
        let messages = api.get_at(&path, bob, at).await;
        let message = messages.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["id"] == json!(self.message))
            .unwrap()
            .clone();
        let threads = api.get_at(&format!("/v1/threads?account={}", self.ada.0), bob, at).await;
        let activity = api.get_at(&format!("/v1/activity?account={}", self.ada.0), bob, at).await;
        let map = api.get_at("/v1/accounts?bbox=9.0,53.0,9.3,53.3", bob, at).await;
        json!({
            "page": page.status, "title": page.body["title"], "status": page.body["status"],
            "node": node.body["title"], "created_by": node.body["created_by"], "creator": node.body["creator"],
            "content": message["content"], "author": message["author"],
            "threads": threads.body["items"].as_array().map(Vec::len),
            "activity": activity.body["items"].as_array().map(Vec::len),
            "on_map": map.body["items"].as_array().map(Vec::len),
        })
    }

    async fn forget(&self, body: Value) -> Value {
        let (id, token) = &self.ada;
        let asked = self.api.command(token, &format!("/v1/accounts/{id}/forget"), body).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        assert_eq!(asked.header("location"), asked.body["status"].as_str());
        until(&self.api, token, &asked.body["request"], &["provisional"]).await;
        asked.body["request"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_content_erased_there_is_no_name_no_thread_no_act_and_no_word_and_the_node_stays() {
    let village = village().await;
    let before = village.seen().await;
    assert_eq!(
        (&before["title"], &before["content"]),
        (&json!("Kanarienvogel Nummer 00007"), &json!("Guten Morgen"))
    );
    assert!(before["threads"].as_u64() >= Some(2) && before["activity"].as_u64() >= Some(2), "{before}");
    assert_eq!(before["on_map"], 1);
    village.forget(json!({})).await;
    let after = village.seen().await;
    assert_eq!(after["content"], Value::Null, "{after}");
    assert_eq!(after["author"], Value::Null, "{after}");
    assert_eq!((&after["node"], &after["created_by"]), (&json!("Garten"), &Value::Null), "{after}");
    assert_eq!(
        (&after["threads"], &after["activity"], &after["on_map"]),
        (&json!(0), &json!(0), &json!(0)),
        "{after}"
    );
    assert!(after["title"].is_null(), "{after}");
    let text = after.to_string();
    assert!(!text.contains("Kanarienvogel") && !text.contains(&village.ada.0.to_string()), "{text}");

    // She may not act, and her address is free for somebody else.
    let (id, token) = &village.ada;
    let late = village.api.command(token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("x")).await;
    assert_eq!(late.status, 403, "{late:?}");
    let again = village
        .api
        .command(token, &format!("/v1/accounts/{id}/register"), json!({"title": "A", "email": "a@b.example"}))
        .await;
    assert_eq!(again.status, 409, "a used id gains nothing: {again:?}");
    let new = Uuid::now_v7();
    plant(&village.api, new, &village.place.token(new, ""), 7).await;
    // The same answer to whoever asks twice, also for less.
    let path = format!("/v1/accounts/{id}/forget");
    for body in [json!({}), json!({"content": "keep"})] {
        let twice = village.api.command(token, &path, body).await;
        assert_eq!(twice.status, 202, "{twice:?}");
        let status = village.api.get(twice.body["status"].as_str().unwrap(), token).await;
        assert_eq!((status.status, &status.body["erased"]), (200, &json!(true)), "{status:?}");
    }
    // Every read model agrees with a fold of the log, and nothing is parked.
    let (code, out, errors) = village.place.replay(&["verify"]);
    assert_eq!(code, 0, "{out}{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_content_kept_the_words_stay_without_an_author_and_leaving_is_the_same() {
    for leaves in [false, true] {
        let village = village().await;
        let (id, token) = &village.ada;
        let request = if leaves {
            let left = village.api.command(token, &format!("/v1/accounts/{id}/leave"), json!({})).await;
            assert_eq!(left.status, 200, "{left:?}");
            let kept = domain::platform::person::Contents::Keep;
            let request = json!(domain::platform::person::forget_request_id(*id, kept));
            for _ in 0..100 {
                let path = format!("/v1/forget/{}", request.as_str().unwrap());
                if village.api.get(&path, token).await.status == 200 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            until(&village.api, token, &request, &["provisional"]).await;
            request
        } else {
            village.forget(json!({"content": "keep"})).await
        };
        let after = village.seen().await;
        assert_eq!((&after["content"], &after["author"]), (&json!("Guten Morgen"), &Value::Null), "{after}");
        assert_eq!((&after["threads"], &after["activity"]), (&json!(0), &json!(0)), "{after}");
        assert!(after["title"].is_null(), "{after}");
        // More may be asked for later: now the words go, too.
        let more = village.forget(json!({"content": "erase"})).await;
        assert_ne!(more, request);
        assert_eq!(village.seen().await["content"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_whose_problem_changed_is_not_the_one_that_was_seen() {
    let place = Installation::new().await;
    // Nobody works on the request.
    let api = place.api_with(&[("ROLES", "command,query,relay,projector"), LEASE]).await;
    let (id, ada) = api.person(&place, "Ada").await;
    let operator = place.token(id, "operator");
    let asked = api.command(&ada, &format!("/v1/accounts/{id}/forget"), json!({})).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let path = asked.body["status"].as_str().unwrap().to_owned();
    let seen = api.get(&path, &operator).await;
    let tag = seen.header("etag").unwrap().to_owned();
    let again = async || {
        let request = api.request(reqwest::Method::GET, &path).bearer_auth(&operator);
        api.send(request.header("If-None-Match", &tag)).await
    };
    assert_eq!(again().await.status, 304);
    sqlx::raw_sql("update forget_requests set problem = 'the read model node_page'")
        .execute(&place.log.owner_pool)
        .await
        .unwrap();
    let changed = again().await;
    assert_eq!((changed.status, &changed.body["problem"]), (200, &json!("the read model node_page")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_person_or_an_operator_with_a_reason_asks_and_nobody_else_learns_of_it() {
    let village = village().await;
    let (id, ada) = &village.ada;
    let (api, place) = (&village.api, &village.place);
    let path = format!("/v1/accounts/{id}/forget");
    let stranger = api.command(&village.bob.1, &path, json!({"reason": "x"})).await;
    assert_eq!((stranger.status, stranger.problem()), (403, "operator-only"));
    assert_eq!(api.command("nonsense", &path, json!({})).await.status, 401);
    let operator_id = village.bob.0;
    let operator = place.token(operator_id, "operator");
    let bare = api.command(&operator, &path, json!({})).await;
    assert_eq!(bare.status, 422, "{bare:?}");
    for body in [json!({"content": "some"}), json!({"reason": ""}), json!({"reason": "x".repeat(501)})] {
        assert_eq!(api.command(ada, &path, body.clone()).await.status, 422, "{body}");
    }
    assert_eq!(api.command(ada, &path, json!({"contents": "keep"})).await.status, 400);
    let nobody = format!("/v1/accounts/{}/forget", Uuid::now_v7());
    assert_eq!(api.command(&operator, &nobody, json!({"reason": "x"})).await.status, 404);

    // Everything about her, for her alone, before it is gone.
    let export = format!("/v1/accounts/{id}/export");
    assert_eq!(api.get(&export, &operator).await.status, 403);
    assert_eq!(api.get(&export, "").await.status, 401);
    // Who has looked is part of it: an admin at her address, an operator's export, and this one.
    let admin = place.token(operator_id, "admin");
    assert_eq!(api.get(&format!("/v1/accounts/{id}"), &admin).await.status, 200);
    let file = place.data.path().join("ada.json");
    let (code, said, errors) = place.replay(&[
        "export",
        &id.to_string(),
        "--to",
        file.to_str().unwrap(),
        "--reason",
        "a letter of 2 May",
    ]);
    assert_eq!(code, 0, "{said} {errors}");
    let own = api.get(&export, ada).await;
    assert_eq!(own.status, 200, "{own:?}");
    let looked: Vec<(String, String, String)> = own.body["access"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| ["who", "action", "why"].map(|field| entry[field].as_str().unwrap().to_owned()))
        .map(|[who, action, why]| (who, action, why))
        .collect();
    assert_eq!(looked.len(), 3, "{looked:?}");
    assert_eq!((&*looked[0].0, &*looked[0].1), (&*operator_id.to_string(), "account.contact"));
    assert!(looked[1].0.starts_with("operator:"), "{looked:?}");
    assert_eq!((&*looked[1].1, &*looked[1].2), ("account.export", "a letter of 2 May"));
    assert_eq!((&*looked[2].0, &*looked[2].1), (&*id.to_string(), "account.export"));
    assert_eq!(own.body["documents"]["account"]["title"], "Kanarienvogel Nummer 00007");
    assert_eq!(own.body["manifest"]["access"], 3);
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written["access"].as_array().unwrap().len(), 2, "{written}");
    // Where it lies, the scan below would find her.
    std::fs::remove_file(&file).unwrap();
    for value in
        ["Kanarienvogel Nummer 00007", "kanari.00007@voliere.example", "Guten Morgen", "Volierenstrasse"]
    {
        assert!(own.text.contains(value), "{value}");
    }
    assert!(!own.text.contains("$sealed") && own.body["manifest"]["events"].as_u64() >= Some(5));

    let asked = api.command(&operator, &path, json!({"reason": "a letter of 3 May"})).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let request = &asked.body["request"];
    let done = until(api, &operator, request, &["provisional"]).await;
    assert_eq!(done.body["erased"], true);
    let status = format!("/v1/forget/{}", request.as_str().unwrap());
    let (_, eve) = api.person(place, "Eve").await;
    assert_eq!(api.get(&status, &eve).await.status, 404, "not even that there is one");
    assert_eq!(api.get(&status, ada).await.status, 200);
    assert!(!done.text.contains(&id.to_string()) && !done.text.contains("letter"), "{}", done.text);
    // The reason was sealed with her identity and went with it.
    let payloads: Vec<String> =
        sqlx::query_scalar("select payload::text from events where type = 'ForgetRequested'")
            .fetch_all(&place.log.owner_pool)
            .await
            .unwrap();
    assert!(payloads[0].contains("$sealed") && !payloads[0].contains("letter"), "{payloads:?}");
    let gone = api.get(&export, ada).await;
    assert_eq!(gone.status, 200);
    assert!(!gone.text.contains("Kanarienvogel") && !gone.text.contains("Guten Morgen"));
}
