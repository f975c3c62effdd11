//! Answers that are kept: never too old, never another log's, made once however many ask, and nobody
//! notices that Redis is away.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use eventstore::subscription::{Positions, Reads};
use kernel::Position;
use projections::{
    ReadError,
    cache::{ALWAYS, Cache, Follower, Made, VIEWS, View},
};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::{Api, Installation, Store, event, node, redis_env, store, thing};

/// Changed by the events of the tests' things; lives for an hour.
static THINGS: View = View {
    name: "things",
    key: "which",
    ttl: Duration::from_secs(3600),
    behind: Duration::ZERO,
    events: &[&["ThingDone"]],
    shared: true,
};
static LAZY: View = View { name: "lazy", behind: Duration::from_secs(3600), ..THINGS };
static SHORT: View = View { name: "short", ttl: Duration::from_millis(400), shared: false, ..THINGS };
static OTHER: View = View { name: "other", events: &[&["SomethingElse"]], ..THINGS };
static TEST_VIEWS: [&View; 4] = [&THINGS, &LAZY, &SHORT, &OTHER];

/// A read model that the test moves.
#[derive(Clone, Default)]
struct Model {
    position: Arc<AtomicI64>,
    loads: Arc<AtomicU64>,
    gate: Option<Arc<Notify>>,
}

impl Model {
    fn at(position: Position) -> Self {
        Self { position: Arc::new(AtomicI64::new(position)), ..Self::default() }
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    async fn made(self) -> Result<Made, ReadError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let position = self.position.load(Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let body = format!("{{\"position\":{position}}}").into();
        Ok(Made { position, moment: 0, body, keep: true })
    }
}

async fn ask(cache: &Cache, view: &'static View, model: &Model, wanted: Option<Position>) -> Position {
    cache.get(view, "k".into(), wanted, model.clone().made()).await.unwrap().position
}

/// Follows step by step.
fn following(store: &Store, cache: &Cache) -> Follower {
    let pool = store.env.log.pg();
    Follower::new(cache.clone(), Reads::new(pool.clone(), Positions::new(pool.clone()), None))
}

async fn append(store: &Store) -> Position {
    let outcome = store.appender.append(crate::support::write(Uuid::now_v7(), 0)).await.unwrap();
    match outcome {
        eventstore::append::Outcome::Committed(at) => at.last_position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_table_in_the_documents_is_the_code() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/caches.md")).unwrap();
    let rows: BTreeSet<Vec<String>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    let views: BTreeSet<Vec<String>> = VIEWS
        .iter()
        .map(|view| {
            let events: BTreeSet<&str> = view.events.iter().copied().flatten().copied().collect();
            vec![
                format!("`{}`", view.name),
                format!("`GET /v1/{}`", view.name),
                view.key.to_owned(),
                format!("{} s", view.ttl.as_secs()),
                format!("{} s", view.behind.as_secs()),
                (if view.shared { "yes" } else { "no" }).to_owned(),
                events.into_iter().collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    assert_eq!(rows, views);
    assert!(text.contains(&format!("without delay: {}.", ALWAYS.join(", "))));
    // What changes a view has to be an event that exists.
    let known: BTreeSet<&str> = domain::catalogue().iter().map(|entry| entry.event_type).collect();
    for view in VIEWS {
        for event in view.events.iter().copied().flatten() {
            assert!(known.contains(event), "{}: {event}", view.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_until_an_event_that_changes_its_view() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    let mut follower = following(&store, &cache);
    let model = Model::at(append(&store).await);
    // Nobody has looked at the log: nothing is kept.
    ask(&cache, &THINGS, &model, None).await;
    ask(&cache, &THINGS, &model, None).await;
    assert_eq!(model.loads(), 2);
    follower.step().await.unwrap();
    for _ in 0..5 {
        assert_eq!(ask(&cache, &THINGS, &model, None).await, 1);
    }
    assert_eq!(model.loads(), 3);
    ask(&cache, &OTHER, &model, None).await;
    ask(&cache, &LAZY, &model, None).await;
    assert_eq!(model.loads(), 5);

    let second = append(&store).await;
    model.position.store(second, Ordering::SeqCst);
    follower.step().await.unwrap();
    assert_eq!(ask(&cache, &THINGS, &model, None).await, second, "made anew");
    assert_eq!(ask(&cache, &OTHER, &model, None).await, 1, "not its event");
    assert_eq!(ask(&cache, &LAZY, &model, None).await, 1, "it may be behind for an hour");
    // But not for who asks for that position.
    assert_eq!(ask(&cache, &LAZY, &model, Some(second)).await, second);
    assert_eq!(ask(&cache, &LAZY, &model, None).await, second, "and the others have it from there");
    let counts = cache.counts();
    assert_eq!((counts[0].hits, counts[0].misses, counts[0].bypasses), (4, 2, 2), "{counts:?}");
    assert!((counts[0].hit_rate.unwrap() - 4.0 / 6.0).abs() < 1e-9);
    assert_eq!(counts[1].bypasses, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_read_before_an_event_and_stored_after_it_is_not_served() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    let mut follower = following(&store, &cache);
    append(&store).await;
    follower.step().await.unwrap();
    let slow = Model { gate: Some(Arc::new(Notify::new())), ..Model::at(1) };
    let asking = tokio::spawn({
        let (cache, slow) = (cache.clone(), slow.clone());
        async move { ask(&cache, &THINGS, &slow, None).await }
    });
    while slow.loads() == 0 {
        tokio::task::yield_now().await;
    }
    let second = append(&store).await;
    follower.step().await.unwrap();
    slow.gate.as_ref().unwrap().notify_one();
    assert_eq!(asking.await.unwrap(), 1, "it asked before");
    let model = Model::at(second);
    assert_eq!(ask(&cache, &THINGS, &model, None).await, second);
    // Nor does a late one push out a newer one.
    let late = Model::at(1);
    assert_eq!(ask(&cache, &LAZY, &model, None).await, second);
    cache.get(&LAZY, "k".into(), Some(99), late.made()).await.unwrap();
    assert_eq!(ask(&cache, &LAZY, &model, None).await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_make_one_answer_and_one_that_leaves_takes_nobody_along() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    append(&store).await;
    following(&store, &cache).step().await.unwrap();
    let gate = Arc::new(Notify::new());
    let model = Model { gate: Some(Arc::clone(&gate)), ..Model::at(1) };
    // The one who began it goes away.
    let first = tokio::spawn({
        let (cache, model) = (cache.clone(), model.clone());
        async move { ask(&cache, &THINGS, &model, None).await }
    });
    while model.loads() == 0 {
        tokio::task::yield_now().await;
    }
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let (cache, model) = (cache.clone(), model.clone());
            tokio::spawn(async move { ask(&cache, &THINGS, &model, None).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.abort();
    gate.notify_one();
    for one in asking {
        assert_eq!(one.await.unwrap(), 1);
    }
    assert_eq!(model.loads(), 1);
    // Who asks for a position never shares a flight that may have begun before it.
    let newer = Model::at(7);
    assert_eq!(ask(&cache, &THINGS, &newer, Some(7)).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_goes_to_all_who_wait_and_a_panic_to_nobody_who_comes_later() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    append(&store).await;
    following(&store, &cache).step().await.unwrap();
    let failing = async { Err(ReadError::NotBuilt("things")) };
    let failed = cache.get(&THINGS, "k".into(), None, failing).await.unwrap_err();
    assert!(matches!(failed.reason(), ReadError::NotBuilt("things")));
    let panicking = async { panic!("on purpose") };
    let asking = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(&THINGS, "k".into(), None, panicking).await }
    });
    assert!(asking.await.is_err());
    assert_eq!(ask(&cache, &THINGS, &Model::at(1), None).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_is_served_while_the_next_is_made_and_one_that_is_over_is_not() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    append(&store).await;
    let mut follower = following(&store, &cache);
    follower.step().await.unwrap();
    let model = Model::at(1);
    let (mut served_while_made, mut stalls) = (0, 0);
    let mut asked = Instant::now();
    for _ in 0..150 {
        follower.step().await.unwrap();
        // A busy machine may let an answer get old between two questions.
        stalls += u64::from(asked.elapsed() > Duration::from_millis(80));
        asked = Instant::now();
        let before = cache.counts()[2].hits;
        ask(&cache, &SHORT, &model, None).await;
        served_while_made += u64::from(cache.counts()[2].hits > before);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let counts = cache.counts()[2];
    // Somebody always asks before it is over, so after the first nobody waits.
    assert!((1..=1 + stalls).contains(&counts.misses), "{counts:?}, {stalls} stalls");
    assert_eq!(counts.misses + served_while_made, 150, "{counts:?}");
    assert!(model.loads() >= 3, "an answer lives for 0.4 s at most: {}", model.loads());
    tokio::time::sleep(Duration::from_millis(500)).await;
    follower.step().await.unwrap();
    ask(&cache, &SHORT, &model, None).await;
    assert_eq!(cache.counts()[2].misses, counts.misses + 1, "nobody asked meanwhile, so it is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_answers_through_redis_and_never_with_another_log() {
    let (store, mut redis) = (store().await, redis_env().await);
    append(&store).await;
    let url = redis.url();
    let open = || Cache::new(&TEST_VIEWS, Some(&url));
    let (here, there) = (open(), open());
    let mut followers = [following(&store, &here), following(&store, &there)];
    for follower in &mut followers {
        follower.step().await.unwrap();
    }
    let model = Model::at(1);
    // At once in two processes: one makes it.
    let gate = Arc::new(Notify::new());
    let gated = Model { gate: Some(Arc::clone(&gate)), ..model.clone() };
    let asking = tokio::spawn({
        let (here, gated) = (here.clone(), gated.clone());
        async move { ask(&here, &THINGS, &gated, None).await }
    });
    while gated.loads() == 0 {
        tokio::task::yield_now().await;
    }
    let other = tokio::spawn({
        let (there, model) = (there.clone(), model.clone());
        async move { ask(&there, &THINGS, &model, None).await }
    });
    tokio::time::sleep(Duration::from_millis(60)).await;
    gate.notify_one();
    assert_eq!((asking.await.unwrap(), other.await.unwrap()), (1, 1));
    assert_eq!(model.loads(), 1, "loads are counted together");
    assert_eq!((there.counts()[0].shared_hits, there.counts()[0].loads), (1, 0));

    // Another log in the same Redis, at the same position.
    let stranger = crate::support::store().await;
    append(&stranger).await;
    let strange = open();
    following(&stranger, &strange).step().await.unwrap();
    let own = Model::at(1);
    ask(&strange, &THINGS, &own, None).await;
    assert_eq!(own.loads(), 1);

    // What does not look like ours is none; what is too old is none.
    let second = append(&store).await;
    for follower in &mut followers {
        follower.step().await.unwrap();
    }
    let model = Model::at(second);
    assert_eq!(ask(&here, &THINGS, &model, None).await, second);
    let keys: Vec<String> = redis.ask("KEYS wg:cache:*").await;
    assert_eq!(keys.len(), 2, "no lock is left behind: {keys:?}");
    let first: Uuid = sqlx::query_scalar("select event_id from events where position = 1")
        .fetch_one(&store.env.owner_pool)
        .await
        .unwrap();
    let mine = format!("wg:cache:{}:1:things:k", first.simple());
    assert!(keys.contains(&mine), "{keys:?}");
    let ttl: i64 = redis.ask(&format!("PTTL {mine}")).await;
    assert!(ttl > 0, "everything in there ends by itself");
    for garbage in ["", "2", "2 0 99999999999999\n{", "9 9 9\nnonsense"] {
        let mut connection = redis.connection().await;
        let _: () = redis::cmd("SET").arg(&mine).arg(garbage).query_async(&mut connection).await.unwrap();
        let fresh = open();
        following(&store, &fresh).step().await.unwrap();
        let model = Model::at(second);
        assert_eq!(ask(&fresh, &THINGS, &model, None).await, second);
        assert_eq!(model.loads(), 1, "{garbage:?}");
    }

    // Away: what is here is served, what is not is made, at most four at a time; nobody is told.
    redis.kill();
    followers[0].step().await.unwrap();
    assert_eq!(ask(&here, &THINGS, &model, None).await, second);
    let (busy, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let asking: Vec<_> = (0..200)
        .map(|n| {
            let (here, busy, most) = (here.clone(), Arc::clone(&busy), Arc::clone(&most));
            tokio::spawn(async move {
                let load = async move {
                    most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    busy.fetch_sub(1, Ordering::SeqCst);
                    Ok(Made { position: 2, moment: 0, body: "{}".into(), keep: true })
                };
                here.get(&THINGS, format!("away-{n}"), None, load).await.unwrap()
            })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    assert!((1..=4).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    redis.restart().await;
    for n in 0..100 {
        followers[0].step().await.unwrap();
        let model = Model::at(second);
        here.get(&THINGS, format!("back-{n}"), None, model.made()).await.unwrap();
        if redis.ask::<Vec<String>>("KEYS wg:cache:*back*").await.iter().any(|key| !key.ends_with("lock")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Redis is back and not used");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_takes_bytes_away_empties_every_view_at_once_and_so_does_another_epoch() {
    let store = store().await;
    let cache = Cache::new(&TEST_VIEWS, None);
    let mut follower = following(&store, &cache);
    append(&store).await;
    follower.step().await.unwrap();
    let model = Model::at(1);
    ask(&cache, &LAZY, &model, None).await;
    ask(&cache, &OTHER, &model, None).await;
    let mut forgotten = event(json!({}));
    forgotten.event_type = kernel::Name::constant("PersonForgotten");
    let append = eventstore::append::Append {
        writes: vec![eventstore::append::Write {
            aggregate: thing(Uuid::now_v7()),
            expected_version: 0,
            events: vec![forgotten],
            external_id: None,
        }],
        ..eventstore::append::Append::default()
    };
    store.appender.append(append).await.unwrap();
    follower.step().await.unwrap();
    model.position.store(2, Ordering::SeqCst);
    assert_eq!((ask(&cache, &LAZY, &model, None).await, ask(&cache, &OTHER, &model, None).await), (2, 2));
    // The same positions in another epoch are other events.
    sqlx::query("update log_head set epoch = 2, position = 2").execute(&store.env.owner_pool).await.unwrap();
    follower.step().await.unwrap();
    let loads = model.loads();
    ask(&cache, &OTHER, &model, None).await;
    assert_eq!(model.loads(), loads + 1);
}

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
