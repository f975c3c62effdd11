use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::time::sleep;
use uuid::Uuid;

use super::server::{Engine, PARTS};
use crate::support::{Installation, node};

/// Under load the engine is killed: every search is answered, by Postgres for a while.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_killed_under_load_costs_no_search() {
    for part in PARTS {
        let Some(mut engine) = Engine::start(part).await else { continue };
        let place = Installation::new().await;
        let api = Arc::new(engine.api(&place).await);
        let (_, token) = api.person(&place, "Ada").await;
        let id = Uuid::now_v7();
        let tied = api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await.position();
        api.get_by(engine.name, "/v1/search?q=garten", "", tied).await;
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (api, stop, asked) = (Arc::clone(&api), Arc::clone(&stop), Arc::clone(&asked));
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let reply = api.get("/v1/search?q=garten", "").await;
                        assert_eq!(reply.status, 200, "{reply:?}");
                        assert_eq!(reply.body["items"].as_array().unwrap().len(), 1, "{reply:?}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        sleep(Duration::from_millis(500)).await;
        engine.kill();
        api.get_by("postgres", "/v1/search?q=garten", "", tied).await;
        let ready = api.get("/health/ready", "").await;
        assert_eq!((ready.status, &ready.body["status"]), (200, &json!("degraded")), "{ready:?}");
        // What is written meanwhile is there when it is back.
        let id = Uuid::now_v7();
        let path = format!("/v1/nodes/{id}/tie");
        let later = api.command(&token, &path, node("Werkstatt")).await.position();
        engine.restart().await;
        let back = api.get_by(engine.name, "/v1/search?q=werkstatt", "", later).await;
        assert_eq!(back.body["items"][0]["title"], "Werkstatt");
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.await.unwrap();
        }
        let metrics = api.get("/metrics", "").await.text;
        assert!(
            metrics.contains(&format!("search_failures_total{{engine=\"{}\"}}", engine.name)),
            "{metrics}"
        );
        engine.note("failover", json!({"searches": asked.load(Ordering::Relaxed)})).await;
    }
}

/// With both, the fallback takes over from the primary, and Postgres is not needed.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_under_load_is_replaced_by_the_fallback() {
    let [primary, fallback] = PARTS;
    let Some(mut primary) = Engine::start(primary).await else { return };
    let Some(fallback) = Engine::start(fallback).await else { return };
    let place = Installation::new().await;
    let mut environment = primary.environment();
    environment.extend(fallback.environment());
    environment.retain(|(name, _)| *name != "SEARCH_ENGINES");
    environment.push(("SEARCH_ENGINES", format!("{},{}", primary.name, fallback.name)));
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let api = Arc::new(place.api_with(&environment).await);
    let (_, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    let tied = api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await.position();
    api.get_by(primary.name, "/v1/search?q=garten", "", tied).await;
    let since = std::time::Instant::now();
    let metric = format!("search_engine_eligible{{engine=\"{}\"}} 1", fallback.name);
    while !api.get("/metrics", "").await.text.contains(&metric) {
        assert!(since.elapsed() < Duration::from_secs(60), "{} is not caught up", fallback.name);
        sleep(Duration::from_millis(100)).await;
    }
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reader = {
        let (api, stop, asked) = (Arc::clone(&api), Arc::clone(&stop), Arc::clone(&asked));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let reply = api.get("/v1/search?q=garten", "").await;
                assert_eq!(reply.status, 200, "{reply:?}");
                assert_eq!(reply.body["items"].as_array().unwrap().len(), 1, "{reply:?}");
                asked.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    sleep(Duration::from_millis(500)).await;
    primary.kill();
    api.get_by(fallback.name, "/v1/search?q=garten", "", tied).await;
    stop.store(true, Ordering::Relaxed);
    reader.await.unwrap();
    let searches = asked.load(Ordering::Relaxed);
    primary.restart().await;
    primary.note("replaced", json!({"by": fallback.name, "searches": searches})).await;
}
