use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use uuid::Uuid;

use projections::search::{
    Line,
    outside::{MeiliSearch, Outside, TypesenseSearch},
};

use super::server::{Engine, PARTS};
use crate::support::{Installation, node};

fn client(engine: &Engine) -> Arc<dyn Outside> {
    let environment = engine.environment();
    let (url, key) = (&environment[0].1, &environment[1].1);
    match engine.name {
        "typesense" => Arc::new(TypesenseSearch::new(url, key, "weltgewebe").unwrap()),
        _ => Arc::new(MeiliSearch::new(url, key, "weltgewebe").unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_document_is_found_by_verify_and_written_again_by_repair() {
    for part in PARTS {
        let Some(engine) = Engine::start(part).await else { continue };
        let place = Installation::new().await;
        let api = engine.api(&place).await;
        let (_, token) = api.person(&place, "Ada").await;
        let mut ids = Vec::new();
        let mut last = 0;
        for number in 0..5 {
            let id = Uuid::now_v7();
            let path = format!("/v1/nodes/{id}/tie");
            last = api.command(&token, &path, node(&format!("Garten {number}"))).await.position();
            ids.push(id);
        }
        api.get_by(engine.name, "/v1/search?q=garten", "", last).await;
        let (code, out, err) = engine.replay(&place, &["verify", "search"]);
        assert_eq!(code, 0, "{out}{err}");
        client(&engine).write(1, &[Line::Remove(ids[2])], None).await.unwrap();
        let (code, out, err) = engine.replay(&place, &["verify", engine.name]);
        assert_eq!(code, 1, "{out}{err}");
        assert!(out.contains(&ids[2].to_string()) && out.contains("is missing"), "{out}");
        let (code, out, err) = engine.replay(&place, &["verify", "search", "--repair"]);
        assert_eq!(code, 0, "{out}{err}");
        let (code, out, err) = engine.replay(&place, &["verify", "search"]);
        assert_eq!(code, 0, "{out}{err}");
        let (_, status, _) = engine.replay(&place, &["status"]);
        assert!(status.contains(&format!("{:<11} generation 1, live", engine.name)), "{status}");
        engine.note("verify", json!(true)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_seen_by_no_reader_and_can_be_taken_back() {
    for part in PARTS {
        let Some(engine) = Engine::start(part).await else { continue };
        let place = Installation::new().await;
        let api = Arc::new(engine.api(&place).await);
        let (_, token) = api.person(&place, "Ada").await;
        let id = Uuid::now_v7();
        let tied = api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await.position();
        api.get_by(engine.name, "/v1/search?q=garten", "", tied).await;
        let stop = Arc::new(AtomicBool::new(false));
        let reader = {
            let (api, stop) = (Arc::clone(&api), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let reply = api.get("/v1/search?q=garten", "").await;
                    assert_eq!(reply.status, 200, "{reply:?}");
                    assert_eq!(reply.body["items"].as_array().unwrap().len(), 1, "{reply:?}");
                }
            })
        };
        let replay = async |arguments: &[&str]| {
            let (code, out, err) = tokio::task::block_in_place(|| engine.replay(&place, arguments));
            assert_eq!(code, 0, "{out}{err}");
            out
        };
        let out = replay(&["rebuild", engine.name]).await;
        assert!(out.contains("generation 2 answers"), "{out}");
        assert_eq!(client(&engine).live().await.unwrap().unwrap().generation, 2);
        let id = Uuid::now_v7();
        let path = format!("/v1/nodes/{id}/tie");
        let later = api.command(&token, &path, node("Werkstatt")).await.position();
        api.get_by(engine.name, "/v1/search?q=werkstatt", "", later).await;
        let out = replay(&["rollback", engine.name]).await;
        assert!(out.contains("generation 1 answers again"), "{out}");
        let found = api.get_by(engine.name, "/v1/search?q=werkstatt", "", later).await;
        assert_eq!(found.body["items"][0]["title"], "Werkstatt", "it has caught up first");
        stop.store(true, Ordering::Relaxed);
        reader.await.unwrap();
        engine.note("rebuild", json!(true)).await;
    }
}
