//! Conversations as they are read, from the first message to the archive.

use domain::weave::conversation::{ConversationKind, conversation_id};
use reqwest::Method;
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

async fn remove(api: &Api, token: &str, node: Uuid) -> Reply {
    let reply = api.command(token, &format!("/v1/nodes/{node}/remove"), json!({})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply
}

fn messages(conversation: Uuid) -> String {
    format!("/v1/conversations/{conversation}/messages")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_talk_is_read_newest_first_with_tombstones_and_present_titles() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (ada_id, ada) = api.person(&place, "Ada").await;
    let (bob_id, bob) = api.person(&place, "Bob").await;
    let (_, admin) = api.admin(&place).await;
    let (node_id, talk) = tied(&api, &ada).await;
    let empty = api.get_at(&messages(talk), "", 5).await;
    assert_eq!((empty.status, &empty.body["items"]), (200, &json!([])), "{empty:?}");
    assert_eq!(empty.body["conversation"]["state"], "open");

    let mut posted = vec![];
    for number in 0..5 {
        let token = if number % 2 == 0 { &ada } else { &bob };
        let (id, reply) = post(&api, token, talk, &format!("Nr. {number}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        posted.push(id);
    }
    let act = async |token: &str, id: Uuid, word: &str, body: Value| {
        let reply = api.command(token, &format!("/v1/messages/{id}/{word}"), body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.position()
    };
    act(&ada, posted[2], "edit", json!({"content": "besser"})).await;
    act(&bob, posted[3], "tombstone", json!({})).await;
    let disabled = api.command(&admin, &format!("/v1/accounts/{bob_id}/disable"), json!({})).await;
    assert_eq!(disabled.status, 200, "{disabled:?}");
    let last = disabled.position();

    let (mut items, mut cursor) = (vec![], String::new());
    loop {
        let page = api.get_at(&format!("{}?limit=2{cursor}", messages(talk)), "", last).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.position() >= last);
        assert_eq!(page.header("cache-control"), Some("no-store"));
        items.extend(page.body["items"].as_array().unwrap().clone());
        match page.body["page"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let ids: Vec<Uuid> = items.iter().map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(ids, posted.iter().rev().copied().collect::<Vec<_>>());
    let [_, taken, edited, ..] = &items[..] else { panic!("{items:?}") };
    assert_eq!((&edited["content"], &edited["version"]), (&json!("besser"), &json!(2)));
    assert_eq!(edited["author"], json!({"id": ada_id, "title": "Ada"}));
    assert!(edited["edited_at"].is_string() && edited["tombstoned"] == false, "{edited}");
    assert_eq!((&taken["content"], &taken["tombstoned"]), (&Value::Null, &json!(true)));
    // Who was disabled keeps the name.
    assert_eq!(taken["author"], json!({"id": bob_id, "title": "Bob"}));
    let names: Vec<_> = edited.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["author", "content", "conversation_id", "created_at", "edited_at", "id", "tombstoned", "version"]
    );

    let page = api.get_at(&format!("/v1/nodes/{node_id}"), "", last).await;
    let summary = &page.body["conversation"];
    assert_eq!((&summary["id"], &summary["state"]), (&json!(talk), &json!("open")), "{page:?}");
    assert_eq!(
        (&summary["message_count"], &summary["last_message_at"]),
        (&json!(5), &items[0]["created_at"])
    );

    // Who left is no author; what was said stays.
    let left = api.command(&ada, &format!("/v1/accounts/{ada_id}/leave"), json!({})).await;
    assert_eq!(left.status, 200, "{left:?}");
    let after = api.get_at(&messages(talk), "", left.position()).await;
    assert_eq!(
        (&after.body["items"][0]["author"], &after.body["items"][0]["content"]),
        (&Value::Null, &json!("Nr. 4"))
    );
    assert!(!after.text.contains("Ada"), "{after:?}");
    // The same list again is not sent again.
    let etag = after.header("etag").unwrap();
    let request = api.request(Method::GET, &messages(talk)).header("If-None-Match", etag);
    assert_eq!(api.send(request).await.status, 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_refused() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let (node_id, talk) = tied(&api, &token).await;
    let nobody = api.get(&messages(Uuid::now_v7()), "").await;
    assert_eq!((nobody.status, nobody.problem()), (404, "not-found"));
    let other_cursor = "AQAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAA";
    for path in [
        format!("{}?limit=0", messages(talk)),
        format!("{}?limit=101", messages(talk)),
        format!("{}?cursor={other_cursor}", messages(talk)),
        format!("{}?offset=3", messages(talk)),
        "/v1/conversations/42/messages".to_owned(),
        "/v1/threads".to_owned(),
        format!("/v1/threads?node={node_id}&account={node_id}"),
        format!("/v1/threads?node={node_id}&bbox=9,53,10,54"),
        "/v1/threads?account=42".to_owned(),
        "/v1/threads?bbox=9,53,10".to_owned(),
        format!("/v1/threads?account={node_id}&limit=101"),
        "/v1/threads?bbox=9,53,10,54&limit=1001".to_owned(),
        format!("/v1/threads?account={node_id}&cursor={other_cursor}"),
        format!("/v1/threads?bbox=9,53,10,54&cursor={other_cursor}"),
        "/v1/activity?account=42".to_owned(),
        "/v1/activity?limit=101".to_owned(),
        format!("/v1/activity?cursor={other_cursor}"),
        "/v1/activity?bbox=9,53,10,54".to_owned(),
    ] {
        let reply = api.get(&path, "").await;
        assert_eq!((reply.status, reply.problem()), (400, "bad-parameter"), "{path}");
    }
    let ahead = api.get_at(&messages(talk), "", 1_000_000).await;
    assert_eq!((ahead.status, ahead.problem()), (503, "not-caught-up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_5_without_messages_the_conversation_goes_with_its_node() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let (id, talk) = tied(&api, &token).await;
    let removed = remove(&api, &token, id).await;
    let gone = api.get_at(&messages(talk), "", removed.position()).await;
    assert_eq!((gone.status, gone.problem()), (404, "not-found"));
    let (_, late) = post(&api, &token, talk, "Hallo?").await;
    assert!([404, 409].contains(&late.status), "{late:?}");
    assert_eq!(api.get(&messages(talk), "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_5_with_messages_an_archive_stays_that_refuses_posts_and_takes_tombstones() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let (id, talk) = tied(&api, &token).await;
    let (message, _) = post(&api, &token, talk, "Moin").await;
    let removed = remove(&api, &token, id).await;
    let archive = api.get_at(&messages(talk), "", removed.position()).await;
    assert_eq!((archive.status, &archive.body["conversation"]["state"]), (200, &json!("archived")));
    assert_eq!(archive.body["items"][0]["content"], "Moin");
    let (_, late) = post(&api, &token, talk, "Noch was").await;
    assert_eq!((late.status, late.problem()), (409, "conversation-archived"));
    let away = api.command(&token, &format!("/v1/messages/{message}/tombstone"), json!({})).await;
    assert_eq!(away.status, 200, "{away:?}");
    let archive = api.get_at(&messages(talk), "", away.position()).await;
    assert_eq!((archive.status, &archive.body["conversation"]["state"]), (200, &json!("archived")));
    let item = &archive.body["items"][0];
    assert_eq!((&item["content"], &item["tombstoned"]), (&Value::Null, &json!(true)));
    assert_eq!(archive.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_later_than_the_archiving_however_removal_and_posts_race() {
    let place = Installation::new().await;
    let (one, two) = (place.api().await, place.api().await);
    let (_, owner) = one.person(&place, "Ada").await;
    let mut people = vec![];
    for name in ["Bob", "Cem", "Dora"] {
        people.push(two.person(&place, name).await.1);
    }
    let (mut before, mut refused) = (0, 0);
    for round in 0..40_u64 {
        let (id, talk) = tied(&one, &owner).await;
        let removing = async {
            // From at once to after most posts.
            tokio::time::sleep(std::time::Duration::from_millis(round % 20)).await;
            remove(&one, &owner, id).await
        };
        let posting = futures::future::join_all(people.iter().map(|token| {
            let two = &two;
            async move {
                let mut accepted = vec![];
                for number in 0..4 {
                    let (id, reply) = post(two, token, talk, &format!("Nr. {number}")).await;
                    match (reply.status, reply.status == 409) {
                        (200, _) => accepted.push((id, reply.position())),
                        (_, true) => {
                            assert_eq!(reply.problem(), "conversation-archived");
                            break;
                        }
                        _ => panic!("{reply:?}"),
                    }
                }
                accepted
            }
        }));
        let (removed, accepted) = tokio::join!(removing, posting);
        refused += accepted.iter().filter(|one| one.len() < 4).count();
        let accepted: Vec<_> = accepted.into_iter().flatten().collect();
        before += accepted.len();
        let closed: i64 = sqlx::query_scalar(
            "select position from events where aggregate_id = $1 and type = 'ConversationClosed'",
        )
        .bind(talk)
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
        assert!(accepted.iter().all(|(_, position)| *position < closed), "{accepted:?}, closed at {closed}");
        let in_the_log: i64 = sqlx::query_scalar(
            "select count(*) from events where type = 'MessagePosted' and payload->>'conversation_id' = $1",
        )
        .bind(talk.to_string())
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
        assert_eq!(in_the_log, accepted.len() as i64, "nothing was posted that was not acknowledged");

        let archive = two.get_at(&messages(talk), "", removed.position()).await;
        if accepted.is_empty() {
            assert_eq!(archive.status, 404, "{archive:?}");
        } else {
            assert_eq!((archive.status, &archive.body["conversation"]["state"]), (200, &json!("archived")));
            assert_eq!(archive.body["items"].as_array().unwrap().len(), accepted.len());
        }
    }
    assert!(before > 0 && refused > 0, "the race was none: {before} posts, {refused} refusals");
    let (code, out, err) = tokio::task::block_in_place(|| place.replay(&["verify"]));
    assert_eq!(code, 0, "{out}\n{err}");
}
