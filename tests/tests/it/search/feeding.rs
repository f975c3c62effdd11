//! How an engine of its own gets its documents, on a real log.

use std::{sync::Arc, time::Duration};

use projections::search::outside::{
    EngineError, Feeder, Outside, OutsideError, rebuild, rollback, standings, verify,
};
use serde_json::json;
use sqlx::PgPool;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::toy::{Gate, Toy};
use crate::replay_cli::place::Place;

/// A feeder at work until it is stopped.
struct Fed {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Fed {
    fn begin(engine: &Arc<Toy>, log: &PgPool) -> Self {
        let stop = CancellationToken::new();
        let feeder = Feeder::new(Arc::clone(engine) as Arc<dyn Outside>, log.clone(), None);
        Self { task: tokio::spawn(feeder.run(stop.clone())), stop }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn until(what: &str, mut there: impl FnMut() -> bool) {
    let since = Instant::now();
    while !there() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn position(engine: &Toy) -> i64 {
    let state = engine.state();
    state.live.and_then(|live| state.generations[&live].mark).map_or(0, |mark| mark.position)
}

fn log(place: &Place) -> &PgPool {
    place.store.env.log.pg()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_filled_from_the_beginning_and_then_follows() {
    let place = Place::new().await;
    for number in 0..7 {
        place.tie(&format!("Garten {number}")).await;
    }
    let engine = Arc::new(Toy::new("toy"));
    let fed = Fed::begin(&engine, log(&place));
    until("filled", || position(&engine) == 7).await;
    assert_eq!(engine.titles().len(), 7);
    let id = place.tie("Werkstatt").await;
    until("followed", || position(&engine) == 8).await;
    assert!(engine.titles().contains(&"Werkstatt".to_owned()));
    place.append(("node", id), 1, "NodeRevised", json!({"title": "Atelier"})).await;
    until("revised", || position(&engine) == 9).await;
    assert!(engine.titles().contains(&"Atelier".to_owned()));
    place.append(("node", id), 2, "NodeVisibilityChanged", json!({"from": "public", "to": "hidden"})).await;
    until("hidden", || position(&engine) == 10).await;
    assert_eq!(engine.titles().len(), 7);
    fed.end().await;
    let stand = standings(log(&place)).await.unwrap();
    assert_eq!((stand.len(), stand[0].generation, &*stand[0].state, stand[0].position), (1, 1, "live", 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_refused_stops_nothing_and_is_named_until_it_is_taken() {
    let place = Place::new().await;
    place.tie("Garten").await;
    let engine = Arc::new(Toy::new("toy"));
    let fed = Fed::begin(&engine, log(&place));
    until("filled", || position(&engine) == 1).await;
    engine.state().refuses = Some("Krach".to_owned());
    let id = place.tie("Krach").await;
    place.tie("Chor").await;
    until("followed", || position(&engine) == 3).await;
    assert_eq!(engine.titles(), ["Chor", "Garten"]);
    let since = Instant::now();
    while standings(log(&place)).await.unwrap()[0].refused != 1 {
        assert!(since.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(20)).await;
    }
    place.append(("node", id), 1, "NodeRevised", json!({"title": "Musik"})).await;
    until("revised", || position(&engine) == 4).await;
    assert_eq!(engine.titles(), ["Chor", "Garten", "Musik"]);
    fed.end().await;
    assert_eq!(standings(log(&place)).await.unwrap()[0].refused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_lost_its_newest_documents_gets_them_again_and_an_empty_one_all() {
    let place = Place::new().await;
    place.tie("Garten").await;
    let engine = Arc::new(Toy::new("toy"));
    let fed = Fed::begin(&engine, log(&place));
    until("filled", || position(&engine) == 1).await;
    let before = engine.state().generations[&1].clone();
    place.tie("Werkstatt").await;
    until("followed", || position(&engine) == 2).await;
    // Restored from what it was.
    engine.state().generations.insert(1, before);
    until("again", || position(&engine) == 2 && engine.titles().len() == 2).await;
    assert_eq!(engine.state().live, Some(1), "nothing was built anew for that");
    {
        let mut state = engine.state();
        state.generations.clear();
        state.live = None;
    }
    until("built anew", || position(&engine) == 2 && engine.titles().len() == 2).await;
    fed.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_of_another_log_is_not_believed() {
    let place = Place::new().await;
    place.tie("Garten").await;
    let engine = Arc::new(Toy::new("toy"));
    let fed = Fed::begin(&engine, log(&place));
    until("filled", || position(&engine) == 1).await;
    fed.end().await;
    {
        let mut state = engine.state();
        let generation = state.generations.get_mut(&1).unwrap();
        generation.mark.as_mut().unwrap().event = uuid::Uuid::max();
        generation.nodes.clear();
    }
    let fed = Fed::begin(&engine, log(&place));
    until("built anew", || engine.state().live == Some(2) && engine.titles().len() == 1).await;
    fed.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_feeders_one_writes_and_the_other_takes_over() {
    let place = Place::new().await;
    place.tie("Garten").await;
    let engine = Arc::new(Toy::new("toy"));
    let (one, two) = (Fed::begin(&engine, log(&place)), Fed::begin(&engine, log(&place)));
    until("filled", || position(&engine) == 1).await;
    place.tie("Werkstatt").await;
    until("followed", || position(&engine) == 2).await;
    assert_eq!(engine.state().written, 2, "each document once");
    one.end().await;
    place.tie("Chor").await;
    until("taken over", || position(&engine) == 3).await;
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_feeder_wrote_after_we_looked_at_the_log_is_no_reason_to_build_anew() {
    let place = Place::new().await;
    place.tie("Garten").await;
    let engine = Arc::new(Toy::new("toy"));
    let fed = Fed::begin(&engine, log(&place));
    until("filled", || position(&engine) == 1).await;
    let gate = Gate { reached: Arc::default(), open: Arc::default() };
    engine.state().gate = Some(gate.clone());
    gate.reached.notified().await;
    // It has looked at the log, which ends at 1. Before it asks the engine, the one that had the
    // lease before it brings the next event there.
    place.tie("Werkstatt").await;
    let event = sqlx::query_scalar("select event_id from events where position = 2");
    let event = event.fetch_one(log(&place)).await.unwrap();
    {
        let mut state = engine.state();
        let generation = state.generations.get_mut(&1).unwrap();
        let (mut node, _) = generation.nodes.values().next().unwrap().clone();
        (node.id, node.title) = (uuid::Uuid::now_v7(), Some("Werkstatt".to_owned()));
        generation.nodes.insert(node.id, (node, 2));
        let mark = generation.mark.as_mut().unwrap();
        (mark.position, mark.event) = (2, event);
    }
    gate.open.notify_one();
    place.tie("Chor").await;
    until("followed", || position(&engine) == 3).await;
    let state = engine.state();
    assert_eq!((state.live, state.generations.len()), (Some(1), 1), "everything was built anew");
    drop(state);
    fed.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_beside_a_feeder_is_shown_when_it_is_complete_and_can_be_taken_back() {
    let place = Place::new().await;
    for number in 0..5 {
        place.tie(&format!("Garten {number}")).await;
    }
    place.settle().await;
    let engine = Arc::new(Toy::new("toy"));
    let fed = Fed::begin(&engine, log(&place));
    until("filled", || position(&engine) == 5).await;
    let stop = CancellationToken::new();
    let rebuilt = rebuild(&*engine, log(&place), &|_, _| {}, &stop).await.unwrap();
    assert_eq!((rebuilt.generation, rebuilt.position, rebuilt.documents), (2, 5, 5));
    assert_eq!(engine.state().live, Some(2));
    place.tie("Werkstatt").await;
    until("fed on", || position(&engine) == 6).await;
    assert_eq!(engine.state().generations[&1].nodes.len(), 5, "the old one is kept and not fed");
    let back = rollback(&*engine, log(&place), &|_, _| {}, &stop).await.unwrap();
    assert_eq!((back.generation, back.position), (1, 6));
    assert_eq!(engine.titles().len(), 6, "it has caught up before it was shown");
    rebuild(&*engine, log(&place), &|_, _| {}, &stop).await.unwrap();
    let kept: Vec<i32> = engine.state().generations.keys().copied().collect();
    assert_eq!(kept, [1, 3], "one way back is enough");
    fed.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_fails_leaves_what_answers() {
    let place = Place::new().await;
    place.tie("Garten").await;
    place.settle().await;
    let engine = Arc::new(Toy::new("toy"));
    let fed = Fed::begin(&engine, log(&place));
    until("filled", || position(&engine) == 1).await;
    fed.end().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let interrupted = rebuild(&*engine, log(&place), &|_, _| {}, &stop).await;
    assert!(matches!(interrupted, Err(OutsideError::Interrupted)), "{interrupted:?}");
    engine.state().fails = Some(EngineError::Full("disk"));
    let failed = rebuild(&*engine, log(&place), &|_, _| {}, &CancellationToken::new()).await;
    assert!(matches!(failed, Err(OutsideError::Engine("toy", EngineError::Full("disk")))), "{failed:?}");
    engine.state().fails = None;
    assert_eq!(engine.state().live, Some(1));
    assert_eq!(engine.titles().len(), 1);
    assert_eq!(standings(log(&place)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_found_and_repaired() {
    let place = Place::new().await;
    let mut ids = Vec::new();
    for number in 0..9 {
        ids.push(place.tie(&format!("Garten {number}")).await);
    }
    place.settle().await;
    let engine = Arc::new(Toy::new("toy"));
    let fed = Fed::begin(&engine, log(&place));
    until("filled", || position(&engine) == 9).await;
    let stop = CancellationToken::new();
    let fine = verify(&*engine, log(&place), false, &stop).await.unwrap();
    assert_eq!((fine.documents, fine.differences.len(), fine.left), (9, 0, 0));
    {
        let mut state = engine.state();
        let nodes = &mut state.generations.get_mut(&1).unwrap().nodes;
        let (stray, _) = nodes[&ids[0]].clone();
        nodes.remove(&ids[1]);
        nodes.get_mut(&ids[2]).unwrap().1 = 1_000;
        nodes.insert(uuid::Uuid::max(), (stray, 3));
    }
    let found = verify(&*engine, log(&place), false, &stop).await.unwrap();
    let mut kinds: Vec<_> = found.differences.iter().map(|one| (one.expected, one.found)).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [(None, Some(3)), (Some(2), None), (Some(3), Some(1_000))]);
    assert_eq!(found.left, 3);
    let repaired = verify(&*engine, log(&place), true, &stop).await.unwrap();
    assert_eq!((repaired.differences.len(), repaired.left), (3, 0));
    let fine = verify(&*engine, log(&place), false, &stop).await.unwrap();
    assert!(fine.differences.is_empty(), "{fine:?}");
    fed.end().await;
}
