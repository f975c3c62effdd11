//! How answers may be kept, shortened on the wire, and waited for.

use std::time::{Duration, Instant};

use reqwest::Method;
use uuid::Uuid;

use crate::support::{Api, Installation, Reply, node};

async fn ask(api: &Api, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = headers
        .iter()
        .fold(api.request(Method::GET, path), |request, (name, value)| request.header(*name, *value));
    api.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn public_answers_may_be_kept_for_a_moment_and_personal_ones_never() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (id, token) = api.person(&place, "Ada").await;
    let tied =
        api.command(&token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("Garten")).await.position();
    api.get_at("/v1/nodes", "", tied).await;
    for path in ["/v1/nodes", "/v1/stats", "/v1/trending", "/v1/search/suggest?q=g", "/v1/nodes?cluster=3"] {
        let kept = ask(&api, path, &[]).await;
        assert_eq!(kept.status, 200, "{path} {kept:?}");
        let caching = kept.header("cache-control").unwrap();
        assert!(
            caching.contains("public") && caching.contains("stale-while-revalidate"),
            "{path}: {caching}"
        );
        assert!(kept.header("vary").unwrap().contains("min-position"), "{path}");
        // Who has just written must not get what a cache has kept.
        let own = ask(&api, path, &[("Min-Position", &tied.to_string())]).await;
        assert_eq!(own.header("cache-control"), Some("no-cache"), "{path}");
        let tag = kept.header("etag").unwrap().to_owned();
        assert!(tag.starts_with("W/"), "{path}");
        let again = ask(&api, path, &[("If-None-Match", &tag)]).await;
        assert!(again.status == 304 || again.header("etag") != Some(&tag), "{path}: {again:?}");
    }
    for path in [format!("/v1/accounts/{id}"), "/v1/activity".into(), "/v1/threads".into()] {
        assert_eq!(api.get(&path, &token).await.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_public_answers_are_compressed_and_nothing_with_a_secret_is() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut last = 0;
    for _ in 0..20 {
        last = api
            .command(&token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("Garten"))
            .await
            .position();
    }
    let plain = api.get_at("/v1/nodes", "", last).await;
    for coding in ["gzip", "br", "zstd"] {
        let short =
            api.request(Method::GET, "/v1/nodes").header("Accept-Encoding", coding).send().await.unwrap();
        assert_eq!(short.headers()["content-encoding"], coding);
        let vary: Vec<_> =
            short.headers().get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(vary.join(",").contains("accept-encoding"), "{vary:?}");
        let bytes = short.bytes().await.unwrap();
        assert!(bytes.len() * 2 < plain.text.len(), "{coding}: {} of {}", bytes.len(), plain.text.len());
    }
    let all = [("Accept-Encoding", "gzip, br, zstd")];
    let bearer = format!("Bearer {token}");
    for (path, headers) in [
        // Small; with a token and about a person; a stream.
        ("/v1/stats", vec![all[0]]),
        ("/v1/activity", vec![all[0], ("Authorization", bearer.as_str())]),
        ("/v1/activity", vec![all[0], ("Cookie", "session=x")]),
        ("/v1/nodes/00000000-0000-7000-8000-000000000000", vec![all[0]]),
    ] {
        let reply = ask(&api, path, &headers).await;
        assert_eq!(reply.header("content-encoding"), None, "{path} {headers:?}");
    }
    let seen = last.to_string();
    let stranger = ask(&api, "/v1/activity?limit=100", &[all[0], ("Min-Position", &seen)]).await;
    assert!(stranger.header("content-encoding").is_some(), "{stranger:?}");
    let stream = api.request(Method::GET, "/v1/live").header("Accept-Encoding", "gzip").send().await.unwrap();
    assert_eq!(stream.headers().get("content-encoding"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_prefers_not_to_wait_is_answered_at_once() {
    let place = Installation::new().await;
    let api = place.api().await;
    let began = Instant::now();
    let far = [("Min-Position", "4711"), ("Prefer", "wait=0")];
    let refused = ask(&api, "/v1/nodes", &far).await;
    assert_eq!((refused.status, refused.problem()), (503, "not-caught-up"));
    assert!(refused.header("retry-after").is_some());
    let quick = began.elapsed();
    let began = Instant::now();
    assert_eq!(ask(&api, "/v1/nodes", &[("Min-Position", "4711")]).await.status, 503);
    assert!(began.elapsed() >= Duration::from_secs(2) && quick < began.elapsed(), "{quick:?}");
    assert_eq!(ask(&api, "/v1/nodes", &[("Prefer", "wait=soon, handling=strict")]).await.status, 200);
}
