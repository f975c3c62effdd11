//! Threads fade by the clock of the process; these tests move it instead of waiting a week.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use domain::weave::conversation::{ConversationKind, conversation_id};
use kernel::{Clock, ManualClock, truncate_to_millis};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, Reply, node};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(truncate_to_millis(Utc::now())))
}

/// A person whose token outlives the test's weeks.
async fn person(place: &Installation, api: &Api, title: &str) -> (Uuid, String) {
    let (id, _) = api.person(place, title).await;
    (id, place.token_for(id, "", "90d"))
}

async fn done(api: &Api, token: &str, path: &str, body: Value) -> Reply {
    let reply = api.command(token, path, body).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply
}

async fn tie(api: &Api, token: &str) -> (Uuid, i64) {
    let id = Uuid::now_v7();
    let reply = done(api, token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    (id, reply.position())
}

fn message(node: Uuid) -> (String, Value) {
    let talk = conversation_id(ConversationKind::Node, node);
    let body = json!({"conversation_id": talk, "content": "Moin"});
    (format!("/v1/messages/{}/post", Uuid::now_v7()), body)
}

/// The threads of a list, found from both ends and on the map: the same everywhere.
async fn threads(api: &Api, account: Uuid, node: Uuid, position: i64) -> Vec<Value> {
    let mut lists = vec![];
    for query in [format!("account={account}"), format!("node={node}"), "bbox=9,53,11,54".to_owned()] {
        let reply = api.get_at(&format!("/v1/threads?{query}"), "", position).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.position() >= position);
        let mut items = reply.body["items"].as_array().unwrap().clone();
        items.sort_by_key(|item| item["id"].to_string());
        lists.push(items);
    }
    let page = api.get_at(&format!("/v1/nodes/{node}"), "", position).await;
    let mut items = page.body["threads"].as_array().cloned().unwrap_or_default();
    items.sort_by_key(|item| item["id"].to_string());
    lists.push(items);
    for list in &lists[1..] {
        assert_eq!(list, &lists[0]);
    }
    lists.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_1_a_replay_never_restarts_a_threads_clock() {
    let place = Installation::new().await;
    let clock = clock();
    let (api, running) = place.api_on(Arc::clone(&clock)).await;
    let (ada, token) = person(&place, &api, "Ada").await;
    let (node_id, _) = tie(&api, &token).await;
    let begin = clock.now();
    clock.advance(TimeDelta::hours(126));
    let (path, body) = message(node_id);
    let key = [("Idempotency-Key", "said once")];
    let first = api.command_with(&token, &path, body.clone(), &key).await;
    assert_eq!(first.status, 200, "{first:?}");
    let said = clock.now();

    clock.advance(TimeDelta::hours(41));
    let again = api.command_with(&token, &path, body, &key).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    // What changes nothing is no act either.
    let same = done(&api, &token, &format!("/v1/nodes/{node_id}/revise"), json!({"title": "Garten"})).await;
    assert_eq!(same.body["events"], json!([]));
    clock.advance(TimeDelta::hours(1));
    let left = threads(&api, ada, node_id, first.position()).await;
    let [talk] = &left[..] else { panic!("the knotting is 168 h old: {left:?}") };
    assert_eq!((&talk["type"], &talk["opacity"]), (&json!("conversation"), &json!(0.75)));
    let at = |time: &Value| time.as_str().unwrap().parse::<chrono::DateTime<Utc>>().unwrap();
    assert_eq!((at(&talk["started_at"]), at(&talk["expires_at"])), (said, said + TimeDelta::hours(168)));

    // An act that is one restarts the thread under its old id.
    let (path, body) = message(node_id);
    let second = done(&api, &token, &path, body).await;
    let fresh = threads(&api, ada, node_id, second.position()).await;
    assert_eq!((fresh.len(), &fresh[0]["id"], &fresh[0]["opacity"]), (1, &talk["id"], &json!(1.0)));
    let revised = done(&api, &token, &format!("/v1/nodes/{node_id}/revise"), json!({"title": "Beet"})).await;
    assert_eq!(threads(&api, ada, node_id, revised.position()).await.len(), 2);
    assert!(at(&fresh[0]["started_at"]) == begin + TimeDelta::hours(168));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_4_a_thread_is_whole_three_quarters_and_gone_while_the_activity_stays() {
    let place = Installation::new().await;
    let clock = clock();
    let (api, running) = place.api_on(Arc::clone(&clock)).await;
    let (ada, token) = person(&place, &api, "Ada").await;
    let body = json!({"map_state": "exact", "location": {"lat": 53.5, "lon": 10.0}});
    done(&api, &token, &format!("/v1/accounts/{ada}/place"), body).await;
    let (node_id, position) = tie(&api, &token).await;
    let began = clock.now();

    let drawn = threads(&api, ada, node_id, position).await;
    let [thread] = &drawn[..] else { panic!("{drawn:?}") };
    assert_eq!((&thread["type"], &thread["opacity"]), (&json!("knotting"), &json!(1.0)));
    assert_eq!((&thread["account_id"], &thread["node_id"]), (&json!(ada), &json!(node_id)));
    assert_eq!(thread["to"], json!({"lat": 53.55, "lon": 9.99}));
    assert_eq!(thread["from"], json!({"lat": 53.5, "lon": 10.0}));
    let etag = api.get(&format!("/v1/nodes/{node_id}"), "").await.header("etag").unwrap().to_owned();

    let list = format!("/v1/threads?node={node_id}");
    let listed = api.get_at(&list, "", position).await.header("etag").unwrap().to_owned();
    let again = async || api.send(api.request(Method::GET, &list).header("If-None-Match", &listed)).await;
    assert_eq!(again().await.status, 304, "the same moment");

    clock.set(began + TimeDelta::hours(42));
    let faded = again().await;
    assert_eq!((faded.status, &faded.body["items"][0]["opacity"]), (200, &json!(0.75)), "{faded:?}");
    assert_eq!(threads(&api, ada, node_id, position).await[0]["opacity"], 0.75);
    let account = api.get_at(&format!("/v1/accounts/{ada}"), "", position).await;
    let threaded = &account.body["nodes"][0];
    assert_eq!((&threaded["id"], &threaded["title"]), (&json!(node_id), &json!("Garten")), "{account:?}");
    assert_eq!(threaded["opacity"], 0.75);

    // The last millisecond, and the next.
    clock.set(began + TimeDelta::hours(168) - TimeDelta::milliseconds(1));
    let last = threads(&api, ada, node_id, position).await;
    assert!((0.0..0.000_001).contains(&last[0]["opacity"].as_f64().unwrap()), "{last:?}");
    clock.set(began + TimeDelta::hours(168));
    assert_eq!(threads(&api, ada, node_id, position).await, Vec::<Value>::new());
    let account = api.get_at(&format!("/v1/accounts/{ada}"), "", position).await;
    assert_eq!(account.body["nodes"], json!([]));
    // Nothing has happened, and still the page of then is not the page of now.
    let path = format!("/v1/nodes/{node_id}");
    let page = api.send(api.request(Method::GET, &path).header("If-None-Match", &etag)).await;
    assert_eq!((page.status, &page.body["threads"]), (200, &json!([])), "{page:?}");
    let etag = page.header("etag").unwrap().to_owned();
    assert_eq!(api.send(api.request(Method::GET, &path).header("If-None-Match", &etag)).await.status, 304);

    let entry = json!([{
        "position": position - 1, "at": began.to_rfc3339_opts(chrono::SecondsFormat::Millis, true), "type": "tied",
        "account": {"id": ada, "title": "Ada"}, "node": {"id": node_id, "title": "Garten"}, "count": 1,
    }]);
    for query in ["".to_owned(), format!("?account={ada}"), format!("?node={node_id}")] {
        let feed = api.get_at(&format!("/v1/activity{query}"), "", position).await;
        assert_eq!((feed.status, &feed.body["items"]), (200, &entry), "{feed:?}");
    }
    assert_eq!(account.body["activity"], entry);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_and_what_is_removed_discard_their_threads_and_keep_the_activity() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (ada, ada_token) = api.person(&place, "Ada").await;
    let (bob, bob_token) = api.person(&place, "Bob").await;
    let (garden, _) = tie(&api, &ada_token).await;
    let (shed, _) = tie(&api, &ada_token).await;
    for node in [garden, garden, shed] {
        let (path, body) = message(node);
        done(&api, &bob_token, &path, body).await;
    }
    let removed = done(&api, &ada_token, &format!("/v1/nodes/{shed}/remove"), json!({})).await;
    let count = async |query: String, position: i64| {
        let reply = api.get_at(&format!("/v1/threads?{query}"), "", position).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["items"].as_array().unwrap().len()
    };
    let at = removed.position();
    assert_eq!(count(format!("node={shed}"), at).await, 0);
    assert_eq!(
        (count(format!("account={ada}"), at).await, count(format!("account={bob}"), at).await),
        (1, 1)
    );
    assert_eq!(count("bbox=9,53,11,54".to_owned(), at).await, 2);
    let mut pages = (vec![], String::new());
    loop {
        let page = api.get_at(&format!("/v1/threads?bbox=9,53,11,54&limit=1{}", pages.1), "", at).await;
        pages.0.extend(page.body["items"].as_array().unwrap().iter().map(|item| item["id"].to_string()));
        match page.body["page"]["next_cursor"].as_str() {
            Some(next) => pages.1 = format!("&cursor={next}"),
            None => break,
        }
    }
    pages.0.dedup();
    assert_eq!(pages.0.len(), 2);

    let left = done(&api, &bob_token, &format!("/v1/accounts/{bob}/leave"), json!({})).await;
    let at = left.position();
    assert_eq!(count(format!("account={bob}"), at).await, 0);
    assert_eq!(count(format!("node={garden}"), at).await, 1);
    let feed = api.get_at(&format!("/v1/activity?node={garden}"), "", at).await;
    let types: Vec<_> =
        feed.body["items"].as_array().unwrap().iter().map(|item| (&item["type"], &item["count"])).collect();
    assert_eq!(types, [(&json!("message"), &json!(2)), (&json!("tied"), &json!(1))]);
    assert_eq!(feed.body["items"][0]["account"], Value::Null, "nobody's any more");
    let of_bob = api.get_at(&format!("/v1/activity?account={bob}"), "", at).await;
    assert_eq!(of_bob.body["items"], json!([]));
    // The removed node keeps its last title.
    let feed = api.get_at(&format!("/v1/activity?node={shed}"), "", at).await;
    assert_eq!(feed.body["items"][0]["type"], "removed", "{feed:?}");
    assert_eq!(feed.body["items"][0]["node"], json!({"id": shed, "title": "Garten"}));

    let (code, out, err) = tokio::task::block_in_place(|| place.replay(&["rebuild", "--all"]));
    assert_eq!(code, 0, "{out}\n{err}");
    let (code, out, err) = tokio::task::block_in_place(|| place.replay(&["verify"]));
    assert_eq!(code, 0, "{out}\n{err}");
    for name in ["conversation", "thread", "activity"] {
        assert!(out.contains(&format!("{name}: generation 2 agrees")), "{out}");
    }
    assert_eq!(count(format!("node={garden}"), at).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_fields_that_the_documentation_names() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (ada, token) = api.person(&place, "Ada").await;
    let (node_id, _) = tie(&api, &token).await;
    let (path, body) = message(node_id);
    let at = done(&api, &token, &path, body).await.position();
    let document = api.get("/openapi.json", "").await.body;
    let names = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let talk = conversation_id(ConversationKind::Node, node_id);
    for (path, list, item) in [
        (format!("/v1/conversations/{talk}/messages"), "MessageList", "Message"),
        (format!("/v1/threads?node={node_id}"), "ThreadList", "Thread"),
        ("/v1/activity".to_owned(), "ActivityList", "Activity"),
        (format!("/v1/nodes/{node_id}"), "NodePage", ""),
        (format!("/v1/accounts/{ada}"), "Account", ""),
    ] {
        let reply = api.get_at(&path, &token, at).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let documented = |schema: &str| {
            let mut names = names(&document["components"]["schemas"][schema]["properties"]);
            // Left out when there is nothing to say.
            names.retain(|name| name != "stale" && (name != "erased" || schema == "Account"));
            names.sort();
            names
        };
        assert_eq!(names(&reply.body), documented(list), "{path}");
        if !item.is_empty() {
            assert_eq!(names(&reply.body["items"][0]), documented(item), "{path}");
        }
    }
}
