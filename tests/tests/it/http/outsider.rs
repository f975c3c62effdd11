//! What somebody finds who reads the contract and tries the edges of it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, node};

/// Ties a node at this place; its id and the position.
async fn tied(api: &Api, token: &str, lon: f64) -> (Uuid, i64) {
    let id = Uuid::now_v7();
    let mut body = node("Garten");
    body["location"]["lon"] = json!(lon);
    let reply = api.command(token, &format!("/v1/nodes/{id}/tie"), body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (id, reply.position())
}

/// The conversation of a node.
async fn talk(api: &Api, (node, position): (Uuid, i64)) -> String {
    let page = api.get_at(&format!("/v1/nodes/{node}"), "", position).await;
    page.body["conversation_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_conversation_is_missing_is_said_before_what_is_wrong_with_the_message() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada").await;
    let nobody = place.token(Uuid::now_v7(), "");
    let (open, closed) = (tied(&api, &ada, 9.99).await, tied(&api, &ada, 9.98).await);
    let (missing, foreign) = (Uuid::now_v7().to_string(), open.0.to_string());
    let (archived, open) = (talk(&api, closed).await, talk(&api, open).await);
    let taken = Uuid::now_v7();
    let body = json!({"conversation_id": open, "content": "Moin"});
    for path in [format!("/v1/messages/{taken}/post"), format!("/v1/nodes/{}/remove", closed.0)] {
        let body = if path.contains("/messages/") { body.clone() } else { json!({}) };
        assert_eq!(api.command(&ada, &path, body).await.status, 200, "{path}");
    }
    let before = place.events().await;

    for (name, token, id, conversation, content, headers, status) in [
        ("not registered", &nobody, None, &missing, "", vec![], 403),
        ("an id in use", &ada, Some(taken), &missing, "", vec![], 409),
        ("no such conversation", &ada, None, &missing, "", vec![], 404),
        ("no such conversation, a key", &ada, None, &missing, "", vec![("Idempotency-Key", "k")], 404),
        ("the id of a node", &ada, None, &foreign, "", vec![], 404),
        ("no such conversation, stale", &ada, None, &missing, "", vec![("If-Match", "\"7\"")], 404),
        ("no such conversation, good content", &ada, None, &missing, "Moin", vec![], 404),
        ("stale", &ada, None, &open, "", vec![("If-Match", "\"7\"")], 412),
        ("no content", &ada, None, &open, "", vec![], 422),
        ("archived, no content", &ada, None, &archived, "", vec![], 422),
        ("archived", &ada, None, &archived, "Moin", vec![], 409),
    ] {
        let path = format!("/v1/messages/{}/post", id.unwrap_or_else(Uuid::now_v7));
        let body = json!({"conversation_id": conversation, "content": content});
        let reply = api.command_with(token, &path, body, &headers).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        reply.problem();
    }
    assert_eq!(place.events().await, before, "something was written");
}

/// The first page's cursor.
async fn first_cursor(api: &Api, path: &str, position: i64) -> String {
    let page = api.get_at(path, "", position).await;
    assert_eq!(page.status, 200, "{path}: {page:?}");
    match &page.body["page"]["next_cursor"] {
        Value::String(cursor) => cursor.clone(),
        _ => panic!("{path} has one page only: {page:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_on_with_the_question_it_came_from_and_no_other() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (ada_id, ada) = api.person(&place, "Ada").await;
    let (bob_id, _) = api.person(&place, "Bob").await;
    let (first, second) = (tied(&api, &ada, 9.99).await, tied(&api, &ada, 9.98).await);
    let talks = [talk(&api, first).await, talk(&api, second).await];
    let mut position = second.1;
    for conversation in &talks {
        for content in ["eins", "zwei"] {
            let body = json!({"conversation_id": conversation, "content": content});
            let reply = api.command(&ada, &format!("/v1/messages/{}/post", Uuid::now_v7()), body).await;
            position = reply.position();
        }
    }
    let messages = |talk: &str| format!("/v1/conversations/{talk}/messages?");
    for (asked, other) in [
        ("/v1/nodes?bbox=9,53,11,54".to_owned(), "/v1/nodes?bbox=9,53,10,54".to_owned()),
        ("/v1/nodes?kind=garten".to_owned(), "/v1/nodes?kind=garten,park".to_owned()),
        (format!("/v1/activity?account={ada_id}"), format!("/v1/activity?account={bob_id}")),
        ("/v1/activity?".to_owned(), messages(&talks[0])),
        (messages(&talks[0]), messages(&talks[1])),
        (format!("/v1/threads?account={ada_id}"), format!("/v1/threads?account={bob_id}")),
        ("/v1/threads?bbox=9,53,11,54".to_owned(), "/v1/threads?bbox=9,53,10,54".to_owned()),
        ("/v1/search?q=garten".to_owned(), "/v1/search?q=garten&kind=garten".to_owned()),
    ] {
        let cursor = first_cursor(&api, &format!("{asked}&limit=1"), position).await;
        // Another size of the page is the same question.
        let next = api.get(&format!("{asked}&limit=50&cursor={cursor}"), "").await;
        assert_eq!(next.status, 200, "{asked}: {next:?}");
        assert!(!next.body["items"].as_array().unwrap().is_empty(), "{asked}: {next:?}");
        let refused = api.get(&format!("{other}&limit=1&cursor={cursor}"), "").await;
        assert_eq!((refused.status, refused.problem()), (400, "bad-parameter"), "{other}: {refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], "cursor", "{refused:?}");
    }
    let bound = api.request(Method::GET, "/v1/activity?limit=1&cursor=AgAAAAAAAAAB");
    assert_eq!(api.send(bound).await.status, 400, "a place without its question");
}

/// Sends these bytes and gives everything that comes back.
fn said(api: &Api, bytes: &str) -> String {
    let mut stream = TcpStream::connect(api.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = vec![];
    // Whoever is refused may be cut off after the answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_gets_a_problem_too() {
    let place = Installation::new().await;
    let api = place.api().await;
    let headers: String = (0..100).map(|number| format!("X-{number}: y\r\n")).collect();
    for (name, bytes, status) in [
        ("NUL in the path", "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("no HTTP", "hello\r\n\r\n".to_owned(), 400),
        (
            "two lengths",
            "POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            400,
        ),
        ("a long path", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000)), 414),
        ("many headers", format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n"), 431),
    ] {
        let answer = said(&api, &bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/problem+json"), "{name}: {answer}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{name}: {answer}");
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], status, "{name}: {answer}");
    }
    // The connection that a good request uses is none the worse.
    assert_eq!(api.get("/health/live", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_before_sending_a_body_that_is_too_large_is_not_told_to_go_on() {
    let place = Installation::new().await;
    let api = place.api().await;
    let id = Uuid::now_v7();
    let head = format!(
        "POST /v1/nodes/{id}/tie HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
    );
    let answer = said(&api, &format!("{head}Content-Length: 300000\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer =
        said(&api, &format!("{head}Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{{}}"));
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_position_keeps_nobody_else_out() {
    let place = Installation::new().await;
    let api = place.api().await;
    // Several times as many as may run at once, each for a position that never comes.
    let waiters = (0..400).map(|_| api.get_at("/v1/stats", "", 1_000_000));
    let waiting = futures::future::join_all(waiters);
    let reading = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let mut statuses = vec![];
        for _ in 0..20 {
            statuses.push(api.get("/v1/stats", "").await.status);
        }
        statuses
    };
    let (waited, read) = tokio::join!(waiting, reading);
    assert_eq!(read, vec![200; 20]);
    let late = waited.iter().filter(|reply| reply.problem() == "not-caught-up").count();
    // They all waited at the same time: a turn each would have sent most of them away.
    assert!(late > 200, "{late} of {}", waited.len());
}
