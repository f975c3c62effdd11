//! `GET /v1/ws`.

use std::time::{Duration, Instant};

use futures::SinkExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, tungstenite::Message};
use uuid::Uuid;

use super::{listener::PATIENCE, talker::Talker};
use crate::support::{Api, Installation, node};

/// A node's conversation.
async fn conversation(api: &Api, token: &str, visibility: &str) -> Value {
    let id = Uuid::now_v7();
    let mut body = node("Garten");
    body["search_visibility"] = json!(visibility);
    let tied = api.command(token, &format!("/v1/nodes/{id}/tie"), body).await;
    assert_eq!(tied.status, 200, "{tied:?}");
    api.get_at(&format!("/v1/nodes/{id}"), "", tied.position()).await.body["conversation_id"].clone()
}

fn post(conversation: &Value, message: Uuid, text: &str) -> Value {
    json!({"type": "post", "ref": text, "message_id": message, "conversation_id": conversation,
           "content": text, "idempotency_key": message.to_string()})
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_at_two_processes_talk_type_and_see_each_other() {
    let place = Installation::new().await;
    let (first, second) = (place.api().await, place.api().await);
    let (ada, ada_token) = first.person(&place, "Ada").await;
    let (bob, bob_token) = first.person(&place, "Bob").await;
    let conversation = conversation(&first, &ada_token, "public").await;
    let mut a = Talker::open(&first, &ada_token).await;
    let mut b = Talker::open(&second, &bob_token).await;
    let subscribe = json!({"type": "subscribe", "ref": "s", "conversations": [conversation]});
    a.say(&subscribe).await;
    let answer = a.next_of("subscribed").await;
    assert_eq!((&answer["ref"], &answer["conversations"]), (&json!("s"), &json!([conversation])));
    b.say(&subscribe).await;
    b.next_of("subscribed").await;
    // Bob's arrival is heard at the other process, and Ada's presence here at her next word at the latest.
    let here = a.next_of("presence").await;
    let here = if here["account"] == json!(ada) { a.next_of("presence").await } else { here };
    assert_eq!((&here["account"], &here["here"]), (&json!(bob), &json!(true)));
    b.say(&json!({"type": "typing", "conversation_id": conversation})).await;
    let typing = a.next_of("typing").await;
    assert_eq!((&typing["account"], &typing["conversation_id"]), (&json!(bob), &conversation));
    let message = Uuid::now_v7();
    b.say(&post(&conversation, message, "Moin!")).await;
    let answer = b.next_of("answer").await;
    assert_eq!((&answer["ref"], &answer["replayed"]), (&json!("Moin!"), &json!(false)));
    let event = a.next_of("event").await["event"].clone();
    assert_eq!(event["position"], answer["answer"]["position"]);
    assert_eq!(event["data"], json!({"author_id": bob, "content": "Moin!"}));
    // Again over HTTP with the same key: the same answer; another text is another request.
    let path = format!("/v1/messages/{message}/post");
    let headers = [("Idempotency-Key", message.to_string())];
    let headers = [(headers[0].0, headers[0].1.as_str())];
    let body = json!({"conversation_id": conversation, "content": "Moin!"});
    let again = first.command_with(&bob_token, &path, body, &headers).await;
    assert_eq!((again.status, &again.body), (200, &answer["answer"]));
    let other = json!({"conversation_id": conversation, "content": "Hallo!"});
    assert_eq!(first.command_with(&bob_token, &path, other, &headers).await.problem(), "key-reused");
    b.say(&post(&conversation, message, "Moin!")).await;
    assert_eq!(b.next_of("answer").await["replayed"], json!(true));
    // What HTTP refuses, it refuses here in the same words.
    b.say(&post(&conversation, Uuid::now_v7(), "   ")).await;
    let refused = b.next_of("problem").await;
    assert_eq!((&refused["ref"], &refused["problem"]["status"]), (&json!("   "), &json!(422)));
    assert_eq!(refused["problem"]["errors"][0]["pointer"], "/content");
    b.socket.close(None).await.unwrap();
    let gone = a.next_of("presence").await;
    assert_eq!((&gone["account"], &gone["here"]), (&json!(bob), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_goes_on_behind_the_last_position() {
    let place = Installation::new().await;
    let (mut first, second) = (place.api().await, place.api().await);
    let (_, token) = second.person(&place, "Ada").await;
    let conversation = conversation(&second, &token, "public").await;
    let mut listener = Talker::open(&first, &token).await;
    listener.say(&json!({"type": "subscribe", "conversations": [conversation]})).await;
    let mut last = listener.next_of("subscribed").await["position"].as_i64().unwrap();
    let mut heard = vec![];
    let mut said = vec![];
    for round in 0..3 {
        for index in 0..3 {
            let body = json!({"conversation_id": conversation, "content": format!("{round}-{index}")});
            let posted = second.command(&token, &format!("/v1/messages/{}/post", Uuid::now_v7()), body).await;
            assert_eq!(posted.status, 200, "{posted:?}");
            said.push(posted.position());
            if index == 1 && round == 0 {
                first.kill();
            }
        }
        while let Some(frame) = listener.next().await {
            if frame["type"] == "event" {
                last = frame["event"]["position"].as_i64().unwrap();
                heard.push(last);
            }
            if last == *said.last().unwrap() {
                break;
            }
        }
        listener = Talker::open(&second, &token).await;
        listener.say(&json!({"type": "subscribe", "conversations": [conversation], "after": last})).await;
        listener.next_of("subscribed").await;
    }
    while last < *said.last().unwrap() {
        last = listener.next_of("event").await["event"]["position"].as_i64().unwrap();
        heard.push(last);
    }
    assert_eq!(heard, said);
    listener.say(&json!({"type": "subscribe", "conversations": [conversation], "after": i64::MAX})).await;
    assert_eq!(listener.next_of("problem").await["problem"]["status"], 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_is_said_first_and_where_from_is_checked() {
    let place = Installation::new().await;
    let api = place.api_with(&[("CORS_ORIGINS", "https://app.example, https://other.example/")]).await;
    let (ada, token) = api.person(&place, "Ada").await;
    let host = api.url.clone();
    for (origin, status) in [
        ("https://evil.example", Some(403)),
        ("null", Some(403)),
        ("https://app.example", None),
        ("https://other.example", None),
        (host.as_str(), None),
    ] {
        let opened = Talker::try_open(&api, &[("origin", origin)]).await;
        assert_eq!(opened.as_ref().err().copied(), status, "{origin}");
    }
    assert_eq!(Talker::try_open(&api, &[("authorization", "Bearer nonsense")]).await.err(), Some(401));
    let plain = api.send(api.request(Method::GET, "/v1/ws")).await;
    assert_eq!((plain.status, plain.problem()), (426, "upgrade-required"));
    // In the first frame.
    let mut talker = Talker::try_open(&api, &[]).await.unwrap();
    talker.say(&json!({"type": "auth", "token": token})).await;
    let ready = talker.next_of("ready").await;
    assert_eq!(ready["account"], json!(ada));
    // Anything else first, a bad token, or nothing at all ends it.
    for first in
        [json!({"type": "auth", "token": "x.y.z"}), json!({"type": "subscribe", "conversations": []})]
    {
        let mut talker = Talker::try_open(&api, &[]).await.unwrap();
        talker.say(&first).await;
        assert!(talker.next().await.is_none());
        assert_eq!(talker.closed, Some(4401));
    }
    let mut silent = Talker::try_open(&api, &[]).await.unwrap();
    assert!(silent.next().await.is_none());
    assert_eq!(silent.closed, Some(4401));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_is_not_for_the_caller_is_not_there() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada").await;
    let (_, bob) = api.person(&place, "Bob").await;
    let private = conversation(&api, &ada, "private").await;
    let mut talker = Talker::open(&api, &bob).await;
    for unknown in [private.clone(), json!(Uuid::now_v7())] {
        talker.say(&json!({"type": "subscribe", "ref": "x", "conversations": [unknown]})).await;
        let refused = talker.next_of("problem").await;
        assert_eq!((&refused["problem"]["status"], &refused["ref"]), (&json!(404), &json!("x")));
    }
    let mut own = Talker::open(&api, &ada).await;
    own.say(&json!({"type": "subscribe", "conversations": [private]})).await;
    own.next_of("subscribed").await;
    // Typing where one does not listen is heard by nobody.
    talker.say(&json!({"type": "typing", "conversation_id": private})).await;
    own.say(&post(&private, Uuid::now_v7(), "Selbstgespräch")).await;
    loop {
        let frame = own.next().await.unwrap();
        assert_ne!(frame["type"], "typing", "{frame}");
        if frame["type"] == "event" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_bounded_in_number_and_in_size() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut talker = Talker::open(&api, &token).await;
    // Thirty at once: twenty are taken, and what the clock gives meanwhile.
    let began = Instant::now();
    for _ in 0..30 {
        talker.say(&json!({"type": "subscribe", "conversations": []})).await;
    }
    let (mut taken, mut refused) = (0.0, 0.0);
    while taken + refused < 30.0 {
        let frame = talker.next().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "subscribed" => taken += 1.0,
            "problem" => {
                assert_eq!(frame["problem"]["type"], "urn:weltgewebe:problem:too-many-frames");
                refused += 1.0;
            }
            other => panic!("{other}"),
        }
    }
    assert!(taken >= 20.0 && taken <= 21.0 + began.elapsed().as_secs_f64() * 10.0, "{taken}");
    // What is no frame of ours is said so; it goes on.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for bad in ["{", "[]", r#"{"type":"subscribe","conversations":[],"x":1}"#] {
        talker.socket.send(Message::Text(bad.into())).await.unwrap();
        assert_eq!(talker.next_of("problem").await["problem"]["status"], 400);
    }
    talker.socket.send(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    talker.next_of("problem").await;
    // More than 64 KiB end it.
    let large = format!(r#"{{"type":"auth","token":"{}"}}"#, "x".repeat(70_000));
    talker.socket.send(Message::Text(large.into())).await.unwrap();
    assert!(talker.next().await.is_none());
    assert_eq!(talker.closed, Some(1009));
    // Who goes on and on is sent away.
    let mut flood = Talker::open(&api, &token).await;
    for _ in 0..200 {
        if flood.socket.send(Message::Text("{}".into())).await.is_err() {
            break;
        }
    }
    while flood.next().await.is_some() {}
    assert_eq!(flood.closed, Some(1008));
    // Ten of one account, and no more.
    drop(talker);
    let mut open = vec![];
    let full = async {
        loop {
            match Talker::try_open(&api, &[("authorization", &format!("Bearer {token}"))]).await {
                Ok(talker) => open.push(talker),
                Err(status) => return status,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, full).await.unwrap(), 429);
    assert!((8..=10).contains(&open.len()), "{}", open.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_a_ping_is_gone_after_half_a_minute() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut answering = Talker::open(&api, &token).await;
    // Its kernel takes everything, but nobody reads and nobody answers.
    let silent = Talker::open(&api, &token).await;
    let alive = tokio::spawn(async move {
        let ended = timeout(Duration::from_secs(50), answering.next()).await.is_ok();
        (ended, answering.closed)
    });
    tokio::time::sleep(Duration::from_secs(45)).await;
    // Read as bytes: a client would answer the pings first, and find nobody.
    let MaybeTlsStream::Plain(mut stream) = silent.socket.into_inner() else { panic!("no TLS here") };
    let mut bytes = vec![];
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it was ended").unwrap();
    let closing = bytes.windows(4).any(|four| four[0] == 0x88 && four[2..] == 4408_u16.to_be_bytes());
    assert!(closing, "{bytes:?}");
    alive.abort();
    assert!(alive.await.is_err_and(|error| error.is_cancelled()), "who answers is not sent away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_sends_talkers_away() {
    let place = Installation::new().await;
    let mut api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut talker = Talker::open(&api, &token).await;
    api.signal("-TERM");
    assert!(talker.next().await.is_none());
    assert_eq!(talker.closed, Some(1012));
    drop(talker);
    assert_eq!(api.wait(), Some(0));
}
