//! Processes that rebuild a search engine die at every named point: what answers is whole at any
//! moment, and the next process ends what was begun.

use std::os::unix::process::ExitStatusExt;

use projections::search::outside::{Feeder, rebuild, standings, verify};
use sqlx::{ConnectOptions, PgPool, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;

use super::shelf::Shelf;
use crate::{replay_cli::place::Place, support::Worker};

/// With the pass at which it dies: three nodes are a page.
const POINTS: [(&str, u32); 8] = [
    ("engine.begun", 1),
    ("engine.after-page", 1),
    ("engine.after-page", 2),
    ("engine.after-page", 3),
    ("engine.before-mark", 1),
    ("engine.before-show", 1),
    ("engine.after-show", 1),
    ("engine.before-drop", 1),
];
const SIGABRT: i32 = 6;

async fn owner() -> PgPool {
    let url = std::env::var("WG_OWNER").unwrap();
    PgPoolOptions::new().max_connections(4).connect(&url).await.unwrap()
}

/// Not a test: what a worker process does.
pub async fn index() {
    let shelf = Shelf(std::env::var("WG_SHELF").unwrap().into());
    let rebuilt = rebuild(&shelf, &owner().await, &|_, _| {}, &CancellationToken::new()).await.unwrap();
    println!("rebuilt {} {}", rebuilt.generation, rebuilt.documents);
}

struct Line {
    place: Place,
    shelf: Shelf,
}

impl Line {
    async fn new() -> Self {
        let place = Place::new().await;
        let shelf = Shelf(place.data.path().join("shelf.json"));
        Self { place, shelf }
    }

    fn log(&self) -> &PgPool {
        &self.place.store.env.owner_pool
    }

    async fn tie(&self, title: &str) {
        self.place.tie(title).await;
        self.place.settle().await;
    }

    /// A process that rebuilds; `None` when it died at the point, else generation and documents.
    async fn process(&self, armed: Option<String>) -> Option<(i32, usize)> {
        // Who was killed holds its lease for a while yet, which nobody here waits for.
        self.place.sql("update search_engines set held_until = now(), wanted_until = now()").await;
        let env = &self.place.store.env;
        let mut extra = vec![
            ("WG_OWNER", env.owner_options.to_url_lossy().to_string()),
            ("WG_SHELF", self.shelf.0.display().to_string()),
        ];
        let dies = armed.is_some();
        extra.extend(armed.map(|armed| ("CRASH_AT", armed)));
        let mut worker = Worker::start(env, "index", &extra);
        let waited = tokio::task::spawn_blocking(move || (worker.child.wait().unwrap(), worker)).await;
        let (status, worker) = waited.unwrap();
        if dies {
            assert_eq!(status.signal(), Some(SIGABRT), "it ended otherwise: {status}");
            return None;
        }
        assert!(status.success(), "{status}");
        worker.wait_for("rebuilt").await;
        let said = worker.lines();
        let line = said.iter().find_map(|line| line.strip_prefix("rebuilt ")).unwrap();
        let (generation, documents) = line.split_once(' ').unwrap();
        Some((generation.parse().unwrap(), documents.parse().unwrap()))
    }

    /// What answers holds every node up to its mark.
    async fn is_whole(&self, point: &str) {
        let content = self.shelf.content();
        let kept = &content.generations[&content.live.unwrap()];
        let tied: i64 =
            sqlx::query_scalar("select count(*) from events where type = 'NodeTied' and position <= $1")
                .bind(kept.position)
                .fetch_one(self.log())
                .await
                .unwrap();
        assert_eq!(kept.nodes.len() as i64, tied, "{point}");
        assert!(tied > 0, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_at_any_named_point_is_ended_by_the_next() {
    let line = Line::new().await;
    for number in 0..10 {
        line.tie(&format!("Garten {number}")).await;
    }
    // One that answers and one to go back to, so that a third one makes the first leave.
    for generation in 1..=2 {
        assert_eq!(line.process(None).await, Some((generation, 9 + generation as usize)));
        line.tie(&format!("Zwischen {generation}")).await;
    }
    let mut nodes = 12;
    for (point, pass) in POINTS {
        let before = line.shelf.content();
        assert_eq!(line.process(Some(format!("{point}:{pass}"))).await, None);
        line.is_whole(point).await;
        let begun = line.shelf.content().generations.keys().max().copied();
        line.tie(&format!("Danach {point} {pass}")).await;
        nodes += 1;
        let (generation, documents) = line.process(None).await.unwrap();
        match point {
            // The engine knew nothing of it yet, or everything was done.
            "engine.begun" => assert!(before.live < Some(generation), "{point}"),
            "engine.before-drop" => assert!(begun < Some(generation), "{point}"),
            // The same one, and what was in was not sent again.
            _ => {
                assert_eq!(Some(generation), begun, "{point}");
                let sent_before = if point == "engine.after-page" { 3 * pass as usize } else { nodes - 1 };
                assert_eq!(documents, nodes - sent_before, "{point}");
            }
        }
        line.is_whole(point).await;
        let content = line.shelf.content();
        assert_eq!(content.live, Some(generation), "{point}");
        let stop = CancellationToken::new();
        let verified = verify(&line.shelf, line.log(), false, &stop).await.unwrap();
        assert_eq!((verified.differing, verified.documents), (0, nodes), "{point}");
        let states: Vec<(i32, String)> =
            standings(line.log()).await.unwrap().into_iter().map(|row| (row.generation, row.state)).collect();
        let named: Vec<&str> = states.iter().map(|(_, state)| state.as_str()).collect();
        assert_eq!(named, ["retained", "live"], "{point}: {states:?}");
        let kept: Vec<i32> = content.generations.keys().copied().collect();
        let known: Vec<i32> = states.iter().map(|(number, _)| *number).collect();
        assert_eq!(kept, known, "{point}: nothing stays behind in the engine");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feeder_ends_what_a_killed_rebuild_began_and_drops_what_has_to_leave() {
    let line = Line::new().await;
    for number in 0..10 {
        line.tie(&format!("Garten {number}")).await;
    }
    // With nothing that answers, the feeder builds.
    assert_eq!(line.process(Some("engine.after-page:2".to_owned())).await, None);
    let begun = line.shelf.content();
    assert_eq!((begun.live, begun.generations[&1].nodes.len()), (None, 6));
    line.fed_until(1).await;
    for generation in 2..=3 {
        assert_eq!(line.process(None).await, Some((generation, 10)));
    }
    assert_eq!(line.process(Some("engine.before-drop".to_owned())).await, None);
    assert_eq!(line.shelf.content().generations.len(), 3);
    line.fed_until(4).await;
    assert_eq!(line.shelf.content().generations.keys().copied().collect::<Vec<_>>(), [3, 4]);
}

impl Line {
    /// A feeder at work until this generation answers and nothing is left behind.
    async fn fed_until(&self, generation: i32) {
        use std::{sync::Arc, time::Duration};
        self.place.sql("update search_engines set held_until = now(), wanted_until = now()").await;
        let stop = CancellationToken::new();
        let shelf = Arc::new(Shelf(self.shelf.0.clone()));
        let task = tokio::spawn(Feeder::new(shelf, self.log().clone(), None).run(stop.clone()));
        let since = tokio::time::Instant::now();
        loop {
            let content = self.shelf.content();
            if content.live == Some(generation) && content.generations.len() <= 2 {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{content:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        task.await.unwrap();
    }
}
