use std::{
    os::unix::process::ExitStatusExt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use kernel::crash::{POINTS, Sweep};
use projections::search::{
    Line, SearchQuery,
    outside::{MeiliSearch, Outside, TypesenseSearch},
};
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::server::{Engine, PARTS};
use crate::support::{Api, Installation, node};

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

/// Asks until it is told to stop, and counts: every answer is whole.
struct Reader {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Reader {
    /// By the api, whichever engine answers it, and by the engine itself, which has nobody beside it.
    fn start(api: &Arc<Api>, engine: &Engine) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let by_api = {
            let (api, stop, asked) = (Arc::clone(api), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let reply = api.get("/v1/search?q=garten", "").await;
                    assert_eq!(reply.status, 200, "{reply:?}");
                    assert_eq!(reply.body["items"].as_array().unwrap().len(), 1, "{reply:?}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let by_itself = {
            let (client, stop, asked) = (client(engine), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                let query = SearchQuery { limit: 10, ..SearchQuery::default() };
                let words = ["garten".to_owned()];
                let mut last = 0;
                while !stop.load(Ordering::Relaxed) {
                    let (mark, hits) = client.ask(&query, &words, 0).await.unwrap();
                    assert_eq!(hits.len(), 1, "{mark:?}");
                    assert!(mark.position >= last, "back from {last} to {mark:?}");
                    last = mark.position;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        Self { stop, asked, tasks: vec![by_api, by_itself] }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_swaps_are_seen_by_no_reader_and_each_can_be_taken_back() {
    for part in PARTS {
        let Some(engine) = Engine::start(part).await else { continue };
        let place = Installation::new().await;
        let api = Arc::new(engine.api(&place).await);
        let (_, token) = api.person(&place, "Ada").await;
        let id = Uuid::now_v7();
        let tied = api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await.position();
        api.get_by(engine.name, "/v1/search?q=garten", "", tied).await;
        let reader = Reader::start(&api, &engine);
        let replay = async |arguments: &[&str]| {
            let (code, out, err) = tokio::task::block_in_place(|| engine.replay(&place, arguments));
            assert_eq!(code, 0, "{out}{err}");
            out
        };
        let mut answering = 1;
        for swap in 1..=5 {
            let (before, next) = (answering, swap + 1);
            let out = replay(&["rebuild", engine.name]).await;
            assert!(out.contains(&format!("generation {next} answers")), "{out}");
            assert_eq!(client(&engine).live().await.unwrap().unwrap().generation, next);
            let id = Uuid::now_v7();
            let path = format!("/v1/nodes/{id}/tie");
            let title = format!("Werkstatt {swap}");
            let later = api.command(&token, &path, node(&title)).await.position();
            let asked = format!("/v1/search?q=werkstatt+{swap}");
            api.get_by(engine.name, &asked, "", later).await;
            let out = replay(&["rollback", engine.name]).await;
            assert!(out.contains(&format!("generation {before} answers again")), "{out}");
            let found = api.get_by(engine.name, &asked, "", later).await;
            assert_eq!(found.body["items"][0]["title"], title, "it has caught up first");
            answering = before;
            // The next rebuild takes the place of the one that was left.
            let (code, out, err) =
                tokio::task::block_in_place(|| engine.replay(&place, &["verify", engine.name]));
            assert_eq!(code, 0, "{out}{err}");
        }
        let searches = reader.end().await;
        engine.note("swaps", json!({"swaps": 10, "searches": searches})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_at_any_named_point_is_ended_by_the_next_on_every_engine() {
    for part in PARTS {
        let Some(engine) = Engine::start(part).await else { continue };
        let place = Installation::new().await;
        let api = Arc::new(engine.api(&place).await);
        let (_, token) = api.person(&place, "Ada").await;
        let id = Uuid::now_v7();
        let tied = api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await.position();
        api.get_by(engine.name, "/v1/search?q=garten", "", tied).await;
        let reader = Reader::start(&api, &engine);
        let points = POINTS.iter().filter(|(_, sweep)| *sweep == Sweep::Indexing);
        let mut killed = 0;
        for (point, _) in points {
            let mut command = place.command("replay");
            command.args(["rebuild", engine.name]).envs(engine.environment()).env("CRASH_AT", point);
            let output = tokio::task::block_in_place(|| command.output()).unwrap();
            assert_eq!(output.status.signal(), Some(6), "{point}: {output:?}");
            killed += 1;
            // Nobody here waits for the lease of a dead process.
            sqlx::query("update search_engines set held_until = now(), wanted_until = now()")
                .execute(&place.log.owner_pool)
                .await
                .unwrap();
            for arguments in [["rebuild", engine.name], ["verify", engine.name]] {
                let (code, out, err) = tokio::task::block_in_place(|| engine.replay(&place, &arguments));
                assert_eq!(code, 0, "{point}: {out}{err}");
            }
        }
        let searches = reader.end().await;
        engine.note("killed-rebuilds", json!({"kills": killed, "searches": searches})).await;
    }
}
