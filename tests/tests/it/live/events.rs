//! `GET /v1/live`.

use embedded::NatsUser;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};
use uuid::Uuid;

use super::listener::{Listener, PATIENCE, positions};
use crate::support::{Api, Installation, node};

/// Ties a node and says where the append ended.
async fn tie(api: &Api, token: &str, id: Uuid, change: Value) -> i64 {
    let mut body = node("Garten");
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let reply = api.command(token, &format!("/v1/nodes/{id}/tie"), body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.position()
}

async fn revise(api: &Api, token: &str, id: Uuid, body: Value) -> i64 {
    let reply = api.command(token, &format!("/v1/nodes/{id}/revise"), body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.position()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_told_as_it_happens_and_a_filter_holds_back_the_rest() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (ada, token) = api.person(&place, "Ada").await;
    let (_, bob) = api.person(&place, "Bob").await;
    let start = api.get("/health/ready", "").await.position();
    let mut all = Listener::open(&api, "", "", None).await;
    let mut hamburg = Listener::open(&api, "?bbox=9.5,53.4,10.4,53.7", "", None).await;
    let mut munich = Listener::open(&api, "?bbox=11,48,12,49", "", None).await;
    let mut types =
        Listener::open(&api, "?aggregate_type=conversation&type=ConversationOpened", "", None).await;
    let mut mine = Listener::open(&api, "?mine=true", &bob, None).await;
    let id = Uuid::now_v7();
    let tied = tie(&api, &token, id, json!({"title": "Der Garten"})).await;
    let events = all.until(tied).await;
    assert_eq!(positions(&events), [start + 1, start + 2]);
    let first = &events[0];
    assert_eq!(
        (&first["type"], &first["aggregate_id"], &first["version"]),
        (&json!("NodeTied"), &json!(id), &json!(1))
    );
    assert_eq!(first["data"]["title"], "Der Garten");
    assert_eq!((&first["data"]["created_by"], &first["node_id"]), (&json!(ada), &json!(id)));
    assert_eq!(all.id, Some(tied));
    assert_eq!(positions(&hamburg.until(tied).await).len(), 2, "the conversation is where its node is");
    assert_eq!(positions(&types.until(tied).await), [tied]);
    // It moves: both places hear of it.
    let moved = revise(&api, &token, id, json!({"location": {"lat": 48.1, "lon": 11.5}})).await;
    assert_eq!(positions(&hamburg.until(moved).await), [moved]);
    assert_eq!(positions(&munich.until(moved).await), [moved]);
    let later = revise(&api, &token, id, json!({"title": "Der neue Garten"})).await;
    assert_eq!(munich.until(later).await[0]["data"], json!({"title": "Der neue Garten"}));
    let elsewhere = tie(&api, &bob, Uuid::now_v7(), json!({})).await;
    assert_eq!(positions(&hamburg.until(elsewhere).await), [elsewhere - 1, elsewhere]);
    assert_eq!(positions(&mine.until(elsewhere).await), [elsewhere - 1, elsewhere], "Bob's own only");
    assert_eq!(positions(&all.until(elsewhere).await), [moved, later, elsewhere - 1, elsewhere]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_to_another_process_after_a_kill_misses_and_repeats_nothing() {
    let place = Installation::new().await;
    let mut first = place.api().await;
    let second = place.api().await;
    let (_, token) = second.person(&place, "Ada").await;
    let mut listener = Listener::open(&first, "?aggregate_type=node", "", None).await;
    let mut told = tie(&second, &token, Uuid::now_v7(), json!({})).await - 1;
    let mut heard = positions(&listener.until(told).await);
    let mut tied = vec![told];
    for round in 0..4 {
        let pid = first.pid().to_string();
        for index in 0..15 {
            if index == 7 {
                std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
            }
            told = tie(&second, &token, Uuid::now_v7(), json!({})).await - 1;
            tied.push(told);
        }
        heard.extend(positions(&listener.rest().await));
        first.kill();
        first = place.api().await;
        // Back at the one that lived and at the one that was started anew, in turn.
        let target = if round % 2 == 0 { &second } else { &first };
        listener = Listener::open(target, "?aggregate_type=node", "", heard.last().copied()).await;
        if round % 2 == 1 {
            continue;
        }
        heard.extend(positions(&listener.until(told).await));
        // And on at the new one, for the next kill.
        listener = Listener::open(&first, "?aggregate_type=node", "", heard.last().copied()).await;
    }
    heard.extend(positions(&listener.until(told).await));
    assert_eq!(heard, tied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_beyond_the_stream_leads_through_postgres() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut tied = vec![];
    for _ in 0..40 {
        tied.push(tie(&api, &token, Uuid::now_v7(), json!({})).await - 1);
    }
    // Everything is gone from the stream.
    let url = place.nats.url_for(NatsUser::Admin);
    let (login, address) = url.trim_start_matches("nats://").split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let options = async_nats::ConnectOptions::with_user_and_password(user.into(), password.into());
    let client = options.connect(address).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let relayed = async {
        loop {
            let mut stream = jetstream.get_stream("EVENTS").await.unwrap();
            if stream.info().await.unwrap().state.last_sequence > *tied.last().unwrap() as u64 {
                return stream;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, relayed).await.unwrap().purge().await.unwrap();
    let mut listener = Listener::open(&api, "?aggregate_type=node&last_event_id=0", "", None).await;
    assert_eq!(positions(&listener.until(*tied.last().unwrap()).await), tied);
    let next = tie(&api, &token, Uuid::now_v7(), json!({})).await - 1;
    assert_eq!(positions(&listener.until(next).await), [next]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_others_write_nobody_who_joins_in_the_middle_loses_an_event() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let from = api.get("/health/ready", "").await.position();
    let writing = async {
        let mut last = 0;
        for _ in 0..120 {
            last = tie(&api, &token, Uuid::now_v7(), json!({})).await;
        }
        last
    };
    let joining = async {
        let mut listeners = vec![];
        for _ in 0..12 {
            listeners.push(Listener::open(&api, "", "", Some(from)).await);
            tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        }
        listeners
    };
    let (last, listeners) = tokio::join!(writing, joining);
    for mut listener in listeners {
        let heard = positions(&listener.until(last).await);
        assert_eq!(heard, (from + 1..=last).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_resume_position_is_refused() {
    let place = Installation::new().await;
    let api = place.api().await;
    let ask = async |query: &str, header: Option<&str>| {
        let mut request = api.request(Method::GET, &format!("/v1/live{query}"));
        if let Some(header) = header {
            request = request.header("Last-Event-ID", header);
        }
        api.send(request).await
    };
    for bad in ["-1", "x", "1.5", "0x10", "99999999999999999999999", "1;drop", "\u{00e4}", "+3"] {
        let reply = ask("", Some(bad)).await;
        assert_eq!((reply.status, reply.problem()), (400, "bad-parameter"), "{bad}");
    }
    assert_eq!(ask("?last_event_id=", None).await.status, 400);
    assert_eq!(ask("", Some("999999999999999999")).await.problem(), "position-lost");
    assert_eq!(ask("?last_event_id=4711", None).await.status, 409);
    let twice =
        api.request(Method::GET, "/v1/live").header("Last-Event-ID", "1").header("Last-Event-ID", "2");
    assert_eq!(api.send(twice).await.status, 400);
    for bad in ["?bbox=1,2,3", "?type=NodeSung", "?aggregate=7", "?unknown=1", "?mine=yes"] {
        assert_eq!(ask(bad, None).await.status, 400, "{bad}");
    }
    assert_eq!(ask("?mine=true", None).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_cut_off_and_the_others_hear_everything() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    // A reader with a tiny window that never reads.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let address = api.url.trim_start_matches("http://").parse().unwrap();
    let mut slow = socket.connect(address).await.unwrap();
    slow.write_all(b"GET /v1/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    slow.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut quick = Listener::open(&api, "?type=NodeRevised", "", None).await;
    let id = Uuid::now_v7();
    let _ = tie(&api, &token, id, json!({})).await;
    let reading = tokio::spawn(async move {
        let mut heard = vec![];
        while heard.len() < 700 {
            heard.push(quick.next().await.expect("who reads is not cut off")["position"].as_i64().unwrap());
        }
        (heard, quick)
    });
    let mut revised = vec![];
    for round in 0..700 {
        let text = format!("{round} {}", "ä".repeat(490));
        revised.push(revise(&api, &token, id, json!({"summary": text})).await);
    }
    let (heard, _quick) = reading.await.unwrap();
    assert_eq!(heard, revised);
    let metrics = api.get("/metrics", &place.token(Uuid::now_v7(), "operator")).await.text;
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("live_slow_listeners_closed_total "), 1.0);
    assert_eq!(value("live_listeners "), 1.0);
    // What the kernels held is there; then it is over, in the middle of whatever it was.
    let mut rest = vec![];
    let end = tokio::time::timeout(PATIENCE, slow.read_to_end(&mut rest)).await.expect("closed");
    assert!(end.is_err() || !String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_says_when_to_come_back() {
    let place = Installation::new().await;
    let mut api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut listener = Listener::open(&api, "", "", None).await;
    let tied = tie(&api, &token, Uuid::now_v7(), json!({})).await;
    let _ = listener.until(tied).await;
    let began = std::time::Instant::now();
    api.signal("-TERM");
    assert!(listener.rest().await.is_empty());
    let pause = listener.retry.expect("a last word");
    assert!((500..4_000).contains(&pause), "{pause}");
    assert_eq!(api.wait(), Some(0));
    assert!(began.elapsed() < PATIENCE, "nobody waits for those who listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_listens_a_bounded_number_of_times() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut open = vec![];
    for _ in 0..32 {
        open.push(Listener::open(&api, "", &token, None).await);
    }
    let refused = api.get("/v1/live", &token).await;
    assert_eq!((refused.status, refused.problem()), (429, "too-many-connections"));
    assert!(refused.header("retry-after").is_some());
    drop(open);
    // The connections' ends are noticed a moment later.
    let again = async {
        while api.request(Method::GET, "/v1/live").bearer_auth(&token).send().await.unwrap().status() != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("places come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_of_an_erasure_can_be_watched() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (id, token) = api.person(&place, "Ada").await;
    let (_, other) = api.person(&place, "Bob").await;
    let asked = api.command(&token, &format!("/v1/accounts/{id}/forget"), json!({})).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let path = asked.body["status"].as_str().unwrap();
    let stream =
        |token: &str| api.request(Method::GET, path).bearer_auth(token).header("Accept", "text/event-stream");
    assert_eq!(api.send(stream(&other)).await.status, 404, "somebody else's is not there");
    let mut response = stream(&token).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut bytes = Vec::new();
    let watching = async {
        while let Some(chunk) = response.chunk().await.unwrap() {
            bytes.extend_from_slice(&chunk);
            let done = ["\"provisional\"", "\"final\""];
            let text = String::from_utf8_lossy(&bytes);
            if text.ends_with("\n\n") && done.iter().any(|state| text.contains(state)) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE * 4, watching).await.expect("it goes on");
    let text = String::from_utf8(bytes).unwrap();
    let documents: Vec<Value> = text
        .split_terminator("\n\n")
        .map(|block| block.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<String>())
        .filter(|json| !json.is_empty())
        .map(|json| serde_json::from_str(&json).unwrap())
        .collect();
    assert!(documents.len() > 1, "it changes: {text}");
    assert!(documents.windows(2).all(|pair| pair[0] != pair[1]), "only changes are told");
    assert!(documents.iter().all(|document| document["request"] == asked.body["request"]));
}
