//! Malformed, oversized, unauthorised, unknown: a problem document in the contract's order, and
//! nothing written.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, Reply, node};

/// One bad request and the answer it has to get.
struct Case {
    name: &'static str,
    method: Method,
    path: String,
    token: Option<String>,
    content_type: Option<&'static str>,
    headers: Vec<(&'static str, String)>,
    body: String,
    status: u16,
}

async fn reply_to(api: &Api, case: &Case) -> Reply {
    let mut request = api.request(case.method.clone(), &case.path);
    if let Some(token) = &case.token {
        request = request.bearer_auth(token);
    }
    if let Some(content_type) = case.content_type {
        request = request.header("content-type", content_type);
    }
    for (name, value) in &case.headers {
        request = request.header(*name, value);
    }
    if case.method == Method::POST {
        request = request.body(case.body.clone());
    }
    api.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_command_gets_its_problem_in_the_contracts_order_and_writes_nothing() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, guest) = api.person(&place, "Ada").await;
    let (_, other) = api.person(&place, "Bob").await;
    let nobody = place.token(Uuid::now_v7(), "admin");
    let (owned, gone, free) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    api.command(&other, &format!("/v1/nodes/{owned}/tie"), node("Fremd")).await;
    let mine = Uuid::now_v7();
    api.command(&guest, &format!("/v1/nodes/{mine}/tie"), node("Mein")).await;
    api.command(&guest, &format!("/v1/nodes/{gone}/tie"), node("Weg")).await;
    api.command(&guest, &format!("/v1/nodes/{gone}/remove"), json!({})).await;
    let before = place.events().await;

    let good = node("Garten").to_string();
    let big = json!({"title": "x".repeat(300 * 1024)}).to_string();
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let tie = |id: Uuid| format!("/v1/nodes/{id}/tie");
    let revise = |id: Uuid| format!("/v1/nodes/{id}/revise");
    let with = |change: fn(&mut Value)| {
        let mut body = node("Garten");
        change(&mut body);
        body.to_string()
    };
    let mut cases = vec![];
    let mut case = |name, path: String, token: Option<&String>, body: String, status| {
        cases.push(Case {
            name,
            method: Method::POST,
            path,
            token: token.cloned(),
            content_type: Some("application/json"),
            headers: vec![],
            body,
            status,
        });
    };
    // 404 unknown comes before everything else, even without a token and with a body too large.
    case("unknown route", "/v2/nothing".into(), None, big.clone(), 404);
    case("unknown collection", format!("/v1/things/{free}/tie"), None, big.clone(), 404);
    case("unknown command", format!("/v1/nodes/{free}/explode"), None, big.clone(), 404);
    // 413 before 401.
    case("too large, no token", tie(free), None, big.clone(), 413);
    // 401 before 400.
    case("no token, bad id", "/v1/nodes/not-a-uuid/tie".into(), None, "{".into(), 401);
    case("token of another key", tie(free), Some(&"abc.def.ghi".to_owned()), "{".into(), 401);
    // 400 before 403.
    case("bad id", "/v1/nodes/not-a-uuid/tie".into(), Some(&nobody), good.clone(), 400);
    case("query on a command", format!("{}?x=1", tie(free)), Some(&nobody), good.clone(), 400);
    case("not JSON", tie(free), Some(&nobody), "{".into(), 400);
    case("unknown field", tie(free), Some(&nobody), with(|b| b["colour"] = json!("red")), 400);
    case("wrong type", tie(free), Some(&nobody), with(|b| b["title"] = json!(7)), 400);
    case(
        "missing field",
        tie(free),
        Some(&nobody),
        with(|b| {
            b.as_object_mut().unwrap().remove("kind");
        }),
        400,
    );
    case("not an object", tie(free), Some(&nobody), "[]".into(), 400);
    case("too deep", tie(free), Some(&nobody), deep, 400);
    case("twice the same key", tie(free), Some(&nobody), r#"{"title":"a","title":"b"}"#.into(), 400);
    // 403 before 404 and 422.
    case("not registered, bad field", tie(free), Some(&nobody), with(|b| b["title"] = json!("")), 403);
    case("foreign node, bad field", revise(owned), Some(&guest), r#"{"title":""}"#.into(), 403);
    // 404 before 422.
    case("missing node, bad field", revise(free), Some(&guest), r#"{"title":""}"#.into(), 404);
    case(
        "creating an existing one, bad field",
        tie(mine),
        Some(&guest),
        with(|b| b["title"] = json!("")),
        409,
    );
    // 422 before 409.
    case("invisible title", tie(free), Some(&guest), with(|b| b["title"] = json!("\u{200b}")), 422);
    case("blank title", tie(free), Some(&guest), with(|b| b["title"] = json!("  ")), 422);
    case("long title", tie(free), Some(&guest), with(|b| b["title"] = json!("x".repeat(201))), 422);
    case("NUL", tie(free), Some(&guest), with(|b| b["info"] = json!("a\u{0}b")), 422);
    case("latitude", tie(free), Some(&guest), with(|b| b["location"]["lat"] = json!(91)), 422);
    case(
        "five themes",
        tie(free),
        Some(&guest),
        with(|b| {
            b["tags"] =
                json!(["thema:natur", "thema:kunst", "thema:wohnen", "thema:energie", "thema:bildung"]);
        }),
        422,
    );
    case(
        "unknown visibility",
        tie(free),
        Some(&guest),
        with(|b| b["search_visibility"] = json!("loud")),
        422,
    );
    case("removed node, bad field", revise(gone), Some(&guest), r#"{"title":""}"#.into(), 422);
    // 409
    case("removed node", revise(gone), Some(&guest), r#"{"title":"x"}"#.into(), 409);
    case("existing node", tie(mine), Some(&guest), good.clone(), 409);

    for (name, header, value, status) in [
        ("blank key", "Idempotency-Key", String::new(), 400),
        ("long key", "Idempotency-Key", "k".repeat(129), 400),
        ("key with tab", "Idempotency-Key", "a\tb".to_owned(), 400),
        ("if-match nonsense", "If-Match", "seven".to_owned(), 400),
        ("stale if-match, bad field", "If-Match", "\"9\"".to_owned(), 412),
    ] {
        cases.push(Case {
            name,
            method: Method::POST,
            path: revise(mine),
            token: Some(guest.clone()),
            content_type: Some("application/json"),
            headers: vec![(header, value)],
            body: r#"{"title":""}"#.into(),
            status,
        });
    }
    cases.push(Case {
        name: "form instead of JSON",
        method: Method::POST,
        path: tie(free),
        token: Some(guest.clone()),
        content_type: Some("application/x-www-form-urlencoded"),
        headers: vec![],
        body: "title=x".into(),
        status: 415,
    });
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        cases.push(Case {
            name: "wrong method",
            method,
            path: tie(free),
            token: None,
            content_type: None,
            headers: vec![],
            body: String::new(),
            status: 405,
        });
    }

    for case in &cases {
        let reply = reply_to(&api, case).await;
        assert_eq!(reply.status, case.status, "{}: {reply:?}", case.name);
        let problem = reply.problem().to_owned();
        assert!(!problem.is_empty(), "{}", case.name);
        match case.status {
            405 => assert!(reply.header("allow").is_some(), "{}", case.name),
            401 => assert!(reply.header("www-authenticate").is_some(), "{}", case.name),
            503 | 429 => assert!(reply.header("retry-after").is_some(), "{}", case.name),
            _ => {}
        }
        for leak in ["sqlx", "postgres", "panicked", "src/", "tokio"] {
            assert!(!reply.text.contains(leak), "{} tells about our inside: {}", case.name, reply.text);
        }
    }
    assert_eq!(place.events().await, before, "something was written");
    let receipts: i64 = sqlx::query_scalar("select count(*) from command_receipts")
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
    assert_eq!(receipts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_refuses_bad_parameters_with_a_problem() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (id, token) = api.person(&place, "Ada").await;
    let auditor = place.token(id, "auditor");
    let long = "x".repeat(3000);
    for (path, token, status) in [
        ("/nothing", "", 404),
        ("/v1/nodes?bbox=1,2,3", "", 400),
        ("/v1/nodes?bbox=a,b,c,d", "", 400),
        ("/v1/nodes?bbox=0,-91,1,1", "", 400),
        ("/v1/nodes?bbox=0,2,1,1", "", 400),
        ("/v1/nodes?bbox=0,0,1,1&limit=0", "", 400),
        ("/v1/nodes?bbox=0,0,1,1&limit=1001", "", 400),
        ("/v1/nodes?bbox=0,0,1,1&limit=ten", "", 400),
        ("/v1/nodes?bbox=0,0,1,1&cursor=zzz", "", 400),
        ("/v1/nodes?bbox=0,0,1,1&unknown=1", "", 400),
        ("/v1/nodes?bbox=0,0,1,1&bbox=0,0,1,1", "", 400),
        ("/v1/nodes/not-a-uuid", "", 400),
        ("/v1/nodes/018f0000-0000-7000-8000-000000000000", "", 404),
        ("/v1/accounts/018f0000-0000-7000-8000-000000000000", "", 404),
        ("/v1/audit/events", "", 401),
        ("/v1/audit/events", token.as_str(), 403),
        ("/v1/audit/events?after=-1", auditor.as_str(), 400),
        ("/v1/audit/events?aggregate=a/b/c", auditor.as_str(), 400),
        ("/v1/audit/events?actor=me", auditor.as_str(), 400),
    ] {
        let reply = api.get(path, token).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        reply.problem();
    }
    let reply = api.get(&format!("/v1/nodes?bbox=0,0,1,1&kind={long}"), "").await;
    assert!([200, 400, 414].contains(&reply.status), "{reply:?}");
    for bad in ["x", "-1", "1.5", "99999999999999999999"] {
        let request = api.request(Method::GET, "/v1/nodes?bbox=0,0,1,1").header("Min-Position", bad);
        let reply = api.send(request).await;
        assert_eq!((reply.status, reply.problem()), (400, "bad-parameter"), "{bad}");
    }
    let reply = api.get_at("/v1/nodes?bbox=0,0,1,1", "", 1_000_000).await;
    assert_eq!((reply.status, reply.problem()), (503, "not-caught-up"));
    assert!(reply.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_believed_only_when_everything_about_them_is_right() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, good) = api.person(&place, "Ada").await;
    let parts: Vec<&str> = good.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let elsewhere = Installation::new().await;
    let _makes_its_own_key = elsewhere.api().await;
    let foreign = elsewhere.token(Uuid::now_v7(), "admin");
    let expired = {
        let mut command = place.command("api");
        command.args(["token", "--account", &Uuid::now_v7().to_string(), "--ttl", "1s"]);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    for (name, token) in [
        ("nothing", String::new()),
        ("garbage", "x".to_owned()),
        ("no signature", format!("{header}.{claims}.")),
        ("alg none", format!("{none}.{claims}.")),
        ("alg none with signature", format!("{none}.{claims}.{signature}")),
        ("changed claims", format!("{header}.{}x.{signature}", &claims[..claims.len() - 1])),
        ("another installation's", foreign),
    ] {
        let request = api
            .request(Method::POST, &format!("/v1/nodes/{}/tie", Uuid::now_v7()))
            .header("authorization", format!("Bearer {token}"))
            .json(&node("x"));
        let reply = api.send(request).await;
        assert_eq!(reply.status, 401, "{name}: {reply:?}");
        reply.problem();
    }
    // Valid for a second, believed for the leeway of 30 more and no longer; here only that a
    // short life is issued at all.
    assert_eq!(expired.split('.').count(), 3);
    let basic = api
        .request(Method::POST, &format!("/v1/nodes/{}/tie", Uuid::now_v7()))
        .header("authorization", format!("Basic {good}"))
        .json(&node("x"));
    assert_eq!(api.send(basic).await.status, 401);
}
