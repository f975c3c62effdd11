//! As callers see it.

use std::time::Duration;

use uuid::Uuid;

use crate::support::{Api, Installation, node, redis_env};

async fn numbers(api: &Api) -> (i64, i64) {
    let reply = api.get("/v1/stats", "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (reply.body["nodes"].as_i64().unwrap(), reply.position())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_answers_are_kept_follow_events_and_tell_how_often_they_were_found() {
    let (place, mut redis) = (Installation::new().await, redis_env().await);
    let url = redis.url();
    let api = place.api_with(&[("REDIS_URL", &url)]).await;
    let second = place.api_with(&[("REDIS_URL", &url), ("ROLES", "query")]).await;
    let (_, ada) = api.person(&place, "Ada Quitte").await;
    let id = Uuid::now_v7();
    let tied = api.command(&ada, &format!("/v1/nodes/{id}/tie"), node("Acker")).await;
    for api in [&api, &second] {
        let known = api.get_at("/v1/stats", "", tied.position()).await;
        assert_eq!(known.body["nodes"], 1);
        assert!(known.position() >= tied.position());
        let trending = api.get_at("/v1/trending", "", tied.position()).await;
        assert_eq!(trending.body["items"][0]["node"]["title"], "Acker");
    }
    for _ in 0..50 {
        numbers(&api).await;
        numbers(&second).await;
        assert_eq!(second.get("/v1/trending", "").await.status, 200);
    }
    let metrics = second.get("/metrics", "").await.text;
    let rate = metrics.lines().find_map(|line| line.strip_prefix("cache_hit_rate{view=\"stats\"} "));
    assert!(rate.unwrap().parse::<f64>().unwrap() > 0.8, "{metrics}");
    assert!(metrics.contains("cache_lookups_total{from=\"bypass\",view=\"stats\"}"), "{metrics}");

    // Without Min-Position, an event of another process shows within the view's bound and not
    // after its life of a minute.
    let before = api.get("/v1/stats", "").await;
    api.command(&ada, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("Beet")).await;
    let since = std::time::Instant::now();
    while numbers(&second).await.0 != 2 {
        assert!(since.elapsed() < Duration::from_secs(30), "an event does not show");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let since = std::time::Instant::now();
    while numbers(&api).await.0 != 2 {
        assert!(since.elapsed() < Duration::from_secs(30), "an event does not show");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A kept answer has a tag like any other.
    let after = api.get("/v1/stats", "").await;
    assert_ne!(before.header("etag"), after.header("etag"));
    let tag = after.header("etag").unwrap();
    let same = api.request(reqwest::Method::GET, "/v1/stats").header("if-none-match", tag);
    assert_eq!(api.send(same).await.status, 304);

    // Numbers and ids: nothing that anybody wrote is in Redis.
    let keys: Vec<String> = redis.ask("KEYS wg:cache:*").await;
    assert!(
        keys.iter().any(|key| key.contains(":stats:")) && !keys.iter().any(|key| key.contains("trending"))
    );
    for key in keys {
        let text: Vec<u8> = redis.ask(&format!("DUMP {key}")).await;
        let text = format!("{key} {}", String::from_utf8_lossy(&text));
        for word in ["Quitte", "Beet", "Acker", "garten", "example.org"] {
            assert!(!text.contains(word), "{word} in {key}");
        }
    }
    redis.kill();
    for _ in 0..20 {
        assert_eq!(numbers(&second).await.0, 2);
        assert_eq!(second.get("/v1/trending?limit=7", "").await.status, 200);
    }
}
