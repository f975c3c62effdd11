//! What means the same has one spelling, and what cannot be spelled is refused and not guessed at.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::support::{Api, Installation, node};

/// Sends these very bytes; status and body of what comes back.
async fn raw(api: &Api, text: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(api.url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_queries_and_tags_that_can_be_read_in_two_ways_are_refused() {
    let place = Installation::new().await;
    let api = place.api().await;
    let end = "connection: close\r\n\r\n";
    let ask = async |line: &str, hosts: &str| raw(&api, &format!("GET {line}\r\n{hosts}{end}")).await;
    let here = "host: localhost\r\n";
    assert_eq!(ask("/health/live HTTP/1.1", here).await.0, 200);
    assert_eq!(ask("/health/live HTTP/1.0", "").await.0, 200);
    for hosts in ["", "host: a\r\nhost: b\r\n", "host: a\r\nhost: a\r\n", "host: a b\r\n"] {
        let (status, problem) = ask("/health/live HTTP/1.1", hosts).await;
        assert_eq!(
            (status, &problem["type"]),
            (400, &json!("urn:weltgewebe:problem:malformed-request")),
            "{hosts:?}"
        );
    }
    assert_eq!(ask("/v1/nodes?tag=%C3%A4 HTTP/1.1", here).await.0, 200);
    for query in ["tag=%ff", "kind=a%C3", "%ff=1", "limit=%FE"] {
        let (status, problem) = ask(&format!("/v1/nodes?{query} HTTP/1.1"), here).await;
        let pointer = &problem["errors"][0]["pointer"];
        assert_eq!((status, pointer), (400, &json!("query")), "{query}: {problem}");
    }
    let (account, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    assert_eq!(api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await.status, 200);
    let revise = format!("/v1/nodes/{id}/revise");
    let with = async |tag: &str| {
        api.command_with(&token, &revise, json!({"title": tag}), &[("if-match", tag)]).await.status
    };
    assert_eq!((with("\"01\"").await, with("\"1-01\"").await, with("\"1\"").await), (400, 400, 200));
    // Names of things come with the right article.
    let again = json!({"title": "Ada", "email": "ada@example.org"});
    let reply = api.command(&token, &format!("/v1/accounts/{account}/register"), again).await;
    assert_eq!((reply.status, &reply.body["detail"]), (409, &json!("There is such an account already.")));
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_and_tags_with_commas_can_be_asked_for() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut position = 0;
    for (title, kind, tag) in [
        ("Beides", "Lesen, Tee", "rot, gelb"),
        ("Lesen", "Lesen", "rot"),
        ("Tee", "Tee", "gelb"),
        ("Anderes", "Werkstatt", "blau"),
    ] {
        let mut body = node(title);
        (body["kind"], body["tags"]) = (json!(kind), json!([tag]));
        let reply = api.command(&token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        position = reply.position();
    }
    let found = async |path: &str, query: &[(&str, &str)]| {
        let request = api.request(Method::GET, path).query(query).header("Min-Position", position);
        let reply = api.send(request).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let items = reply.body["items"].as_array().unwrap();
        let mut titles: Vec<String> =
            items.iter().map(|node| node["title"].as_str().unwrap().to_owned()).collect();
        titles.sort();
        titles
    };
    for (name, both, other) in [("kind", "Lesen, Tee", "Werkstatt"), ("tag", "rot, gelb", "blau")] {
        // Each parameter one value, commas and all.
        assert_eq!(found("/v1/nodes", &[(name, both), (name, other)]).await, ["Anderes", "Beides"]);
        // Once: a list, and the whole of it, too.
        assert_eq!(found("/v1/nodes", &[(name, both)]).await, ["Beides", "Lesen", "Tee"]);
        let first = both.split(',').next().unwrap();
        assert_eq!(found("/v1/nodes", &[(name, first)]).await, ["Lesen"]);
    }
    let search = [("q", "beides"), ("kind", "Lesen, Tee"), ("kind", "Werkstatt")];
    assert_eq!(found("/v1/search", &search).await, ["Beides"]);
    assert_eq!(
        found("/v1/search", &[("q", "beides"), ("tag", "rot"), ("tag", "blau")]).await,
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_address_is_one_however_it_is_written() {
    let place = Installation::new().await;
    let api = place.api().await;
    let register = async |email: &str| {
        let id = Uuid::now_v7();
        let body = json!({"title": "Jemand", "email": email});
        api.command(&place.token(id, ""), &format!("/v1/accounts/{id}/register"), body).await
    };
    assert_eq!(register("jörg@müller.example").await.status, 200);
    for same in ["JÖRG@xn--mller-kva.example", "ｊörg＠ｍüller．example", "jo\u{308}rg@müller.example"]
    {
        let reply = register(same).await;
        assert_eq!((reply.status, reply.problem()), (409, "email-taken"), "{same}");
    }
    for bad in ["a..b@example.org", "\"a b\"@example.org", "a@192.0.2.1", "a@-x.example"] {
        let reply = register(bad).await;
        assert_eq!((reply.status, reply.problem()), (422, "invalid-email"), "{bad}");
        assert_eq!(reply.body["errors"][0]["pointer"], "/email");
    }
    // Given up, it is free again in every spelling.
    let (id, token) = api.person(&place, "Ada").await;
    let change = async |email: &str| {
        api.command(&token, &format!("/v1/accounts/{id}/change-email"), json!({"email": email})).await.status
    };
    assert_eq!((change("post@straße.example").await, change("post@neu.example").await), (200, 200));
    assert_eq!(register("post@xn--strae-oqa.example").await.status, 200);
}
