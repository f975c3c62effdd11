//! Which engine answers, and what becomes of a query whose engine fails.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use projections::search::{
    Engines, OutsideSearch, PostgresSearch, SearchCursor, SearchEngine, SearchObserver, SearchQuery,
    outside::{EngineError, Feeder, Outside},
};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::toy::Toy;
use crate::replay_cli::place::Place;

struct Line {
    place: Place,
    first: Arc<Toy>,
    second: Arc<Toy>,
    engines: Engines,
    heard: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

struct Ears(Arc<Mutex<Vec<String>>>);

impl SearchObserver for Ears {
    fn answered(&self, engine: &'static str, _: Duration, hits: usize) {
        self.0.lock().unwrap().push(format!("{engine} {hits}"));
    }

    fn failed(&self, engine: &'static str) {
        self.0.lock().unwrap().push(format!("{engine} failed"));
    }
}

impl Line {
    async fn new() -> Self {
        let place = Place::new().await;
        for number in 0..5 {
            place.tie(&format!("Garten {number}")).await;
        }
        place.settle().await;
        let (first, second) = (Arc::new(Toy::new("first")), Arc::new(Toy::new("second")));
        let pool = place.store.env.log.pg().clone();
        let outside = [&first, &second]
            .map(|toy| OutsideSearch::new(Arc::clone(toy) as Arc<dyn Outside>, pool.clone()));
        let heard = Arc::default();
        let postgres = PostgresSearch::new(pool.clone());
        let engines = Engines::new(outside.to_vec(), postgres, pool, Ears(Arc::clone(&heard)));
        let line = Self { place, first, second, engines, heard, stop: CancellationToken::new() };
        line.feed(&line.first);
        line.feed(&line.second);
        line.caught_up().await;
        line
    }

    fn feed(&self, toy: &Arc<Toy>) {
        let pool = self.place.store.env.log.pg().clone();
        let feeder = Feeder::new(Arc::clone(toy) as Arc<dyn Outside>, pool, None);
        tokio::spawn(feeder.run(self.stop.clone()));
    }

    async fn caught_up(&self) {
        let since = Instant::now();
        loop {
            self.engines.look().await;
            if self.engines.health().iter().all(|engine| engine.eligible) {
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{:?}", self.engines.health());
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn asked(&self, query: SearchQuery) -> (&'static str, usize) {
        let page = self.engines.search(&query).await.unwrap();
        (page.engine, page.hits.items.len())
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn garten() -> SearchQuery {
    SearchQuery { text: "garten".into(), limit: 100, ..SearchQuery::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_that_is_healthy_and_caught_up_answers() {
    let line = Line::new().await;
    assert_eq!(line.asked(garten()).await, ("first", 5));
    assert_eq!(line.engines.name(), "first");
    assert_eq!(line.engines.suggest("gart", 3, 0).await.unwrap().titles.len(), 3);
    let nothing = SearchQuery { text: "xylophon".into(), ..garten() };
    assert_eq!(line.asked(nothing).await, ("first", 0));
    assert_eq!(line.heard(), ["first 5", "first 3", "first 0"]);
    // Nobody feeds them any more: one event is too much.
    line.stop.cancel();
    line.place.tie("Garten 5").await;
    line.place.settle().await;
    line.engines.look().await;
    assert_eq!(line.asked(garten()).await, ("postgres", 6));
    let lags: Vec<_> = line.engines.health().iter().map(|engine| engine.lag).collect();
    assert_eq!(lags, [Some(1), Some(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_engine_fails_is_answered_by_the_next() {
    let line = Line::new().await;
    line.first.state().queries_fail = Some(EngineError::Away("no connection"));
    assert_eq!(line.asked(garten()).await, ("second", 5));
    line.second.state().queries_fail = Some(EngineError::Lagging);
    assert_eq!(line.asked(garten()).await, ("postgres", 5));
    assert_eq!(line.heard(), ["first failed", "second 5", "first failed", "second failed", "postgres 5"]);
    assert_eq!(line.engines.suggest("gart", 10, 0).await.unwrap().engine, "postgres");
    // Three in a row, and it is not even asked.
    assert!(line.engines.breaker("first").unwrap().is_open());
    let before = line.first.state().asked;
    line.asked(garten()).await;
    assert_eq!(line.first.state().asked, before);
    // It would answer again, and a look finds it caught up, when its pause is over.
    line.first.state().queries_fail = None;
    let since = Instant::now();
    while line.asked(garten()).await.0 != "first" {
        assert!(since.elapsed() < Duration::from_secs(30));
        line.engines.look().await;
        sleep(Duration::from_millis(50)).await;
    }
    line.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_full_is_not_asked_again_soon() {
    let line = Line::new().await;
    line.first.state().queries_fail = Some(EngineError::Full("memory"));
    assert_eq!(line.asked(garten()).await, ("second", 5));
    let breaker = line.engines.breaker("first").unwrap();
    assert!(breaker.is_open());
    line.first.state().queries_fail = None;
    line.engines.look().await;
    assert!(breaker.is_open(), "not by one look");
    line.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_older_than_what_was_asked_for_is_not_given() {
    let line = Line::new().await;
    line.stop.cancel();
    // Restored from what it was, and not looked at since.
    line.first.state().generations.get_mut(&1).unwrap().mark.as_mut().unwrap().position = 2;
    assert_eq!(line.asked(SearchQuery { at_least: 5, ..garten() }).await, ("second", 5));
    assert!(!line.engines.breaker("first").unwrap().is_open(), "being behind is no failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_can_be_gone_on_from_when_its_engine_is_gone() {
    let line = Line::new().await;
    let two = SearchQuery { limit: 2, ..garten() };
    let page = line.engines.search(&two).await.unwrap();
    let cursor = SearchCursor::parse(page.hits.next_cursor.as_deref().unwrap()).unwrap();
    assert_eq!(cursor, SearchCursor::Skip(2));
    let next = SearchQuery { cursor: Some(cursor), ..two.clone() };
    assert_eq!(line.asked(next.clone()).await, ("first", 2));
    for toy in [&line.first, &line.second] {
        toy.state().fails = Some(EngineError::Away("no connection"));
    }
    let page = line.engines.search(&next).await.unwrap();
    assert_eq!((page.engine, page.hits.items.len()), ("postgres", 2));
    // From now on it is Postgres' cursor, and stays with it.
    for toy in [&line.first, &line.second] {
        toy.state().fails = None;
    }
    let cursor = SearchCursor::parse(page.hits.next_cursor.as_deref().unwrap()).unwrap();
    let last = SearchQuery { cursor: Some(cursor), ..two };
    assert_eq!(line.asked(last).await, ("postgres", 1));
    line.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_whose_change_was_refused_is_stale_and_not_for_who_waits_for_it() {
    let line = Line::new().await;
    let id = line.place.tie("Garten Stille").await;
    line.place.settle().await;
    line.caught_up().await;
    line.first.state().refuses = Some("Garten Krach".to_owned());
    let revised = line.place.append(("node", id), 1, "NodeRevised", json!({"title": "Garten Krach"})).await;
    line.place.settle().await;
    line.caught_up().await;
    let stale = SearchQuery { text: "stille".into(), ..garten() };
    let page = line.engines.search(&stale).await.unwrap();
    assert_eq!((page.engine, page.hits.items.len(), page.stale), ("first", 1, true));
    let page = line.engines.search(&SearchQuery { text: "4".into(), ..garten() }).await.unwrap();
    assert!(!page.stale, "another node");
    // The next engine took it.
    let page = line.engines.search(&SearchQuery { at_least: revised, ..stale }).await.unwrap();
    assert_eq!((page.engine, page.hits.items.len(), page.stale), ("second", 0, false));
    assert!(!line.engines.breaker("first").unwrap().is_open());
    line.stop.cancel();
}
