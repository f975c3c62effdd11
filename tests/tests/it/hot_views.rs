//! The views in Redis come out of the log and nothing else, whatever happens to Redis and however
//! many feed them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use eventstore::{
    append::{Append, EventToStore, Outcome, Write},
    log::{self, PageLimit, read_page},
};
use kernel::{AggregateRef, Name, NewEvent, Position};
use projections::weave::hot_views::{
    Applied, Feeder, HotError, HotRedis, HotStats, Page, RecentActs, State, Verified, Window, build, verify,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{RedisEnv, Store, redis_env, store};

/// A log of acts in the making, over forty days, so that hours, days and threads fall out of
/// every window.
struct People {
    random: StdRng,
    versions: HashMap<Uuid, i64>,
    nodes: Vec<Uuid>,
    accounts: Vec<Uuid>,
    at: DateTime<Utc>,
}

impl People {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut id = || Uuid::from_u128(random.random());
        let (nodes, accounts) = ((0..12).map(|_| id()).collect(), (0..8).map(|_| id()).collect());
        let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        Self { random, versions: HashMap::new(), nodes, accounts, at }
    }

    async fn act(&mut self, store: &Store) {
        self.at += TimeDelta::minutes(self.random.random_range(0..120));
        // Commands of different processes are in no order.
        let at = self.at - TimeDelta::minutes(self.random.random_range(0..300));
        let node = self.nodes[self.random.random_range(0..self.nodes.len())];
        let account = self.accounts[self.random.random_range(0..self.accounts.len())];
        let conversation = domain::weave::conversation::conversation_id(
            domain::weave::conversation::ConversationKind::Node,
            node,
        );
        let (kind, id, event_type, payload) = match self.random.random_range(0..20) {
            0 => ("node", node, "NodeRemoved", json!({})),
            1 => ("account", account, "AccountLeft", json!({})),
            2..=4 => ("node", node, "NodeTied", json!({})),
            5..=8 => ("node", node, "NodeRevised", json!({})),
            9 => ("node", node, "NodeVisibilityChanged", json!({})),
            10 => ("message", Uuid::now_v7(), "MessagePosted", json!({"conversation_id": 7})),
            _ => ("message", Uuid::now_v7(), "MessagePosted", json!({"conversation_id": conversation})),
        };
        self.append(store, (kind, id), event_type, payload, account, at).await;
    }

    async fn append(
        &mut self,
        store: &Store,
        (kind, id): (&'static str, Uuid),
        event_type: &'static str,
        payload: Value,
        account: Uuid,
        at: DateTime<Utc>,
    ) {
        let metadata = json!({
            "actor": account, "command": "test.act", "command_id": Uuid::nil(), "correlation_id": Uuid::nil(),
            "causation_id": Uuid::nil(), "occurred_at": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        });
        let event = EventToStore::prepare(NewEvent {
            event_id: Uuid::now_v7(),
            event_type: Name::constant(event_type),
            schema_version: 1,
            payload,
            metadata: Arc::from(metadata.to_string()),
        })
        .unwrap();
        let version = self.versions.entry(id).or_default();
        let write = Write {
            aggregate: AggregateRef::new(Name::constant(kind), id),
            expected_version: *version,
            events: vec![event],
            external_id: None,
        };
        *version += 1;
        let outcome = store.appender.append(Append { writes: vec![write], ..Append::default() }).await;
        assert!(matches!(outcome, Ok(Outcome::Committed { .. })), "{outcome:?}");
    }

    async fn acts(&mut self, store: &Store, count: usize) {
        for _ in 0..count {
            self.act(store).await;
        }
    }
}

struct Fed {
    stats: HotStats,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Fed {
    fn start(redis: &RedisEnv, store: &Store) -> Self {
        let stop = CancellationToken::new();
        let redis = HotRedis::open(&redis.url()).unwrap();
        let feeder = Feeder::new(redis, store.env.log.pg().clone(), None);
        let stats = feeder.stats();
        let task = tokio::spawn(feeder.run(stop.clone()));
        Self { stats, stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn head(store: &Store) -> Position {
    log::head(store.env.log.pg()).await.unwrap().position
}

/// Waits until Redis shows all of the log.
async fn settled(redis: &RedisEnv, store: &Store) {
    let (redis, head) = (HotRedis::open(&redis.url()).unwrap(), head(store).await);
    for _ in 0..600 {
        if redis.live().await.is_ok_and(|at| at.is_some_and(|at| at.position == head)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the hot views never reached {head}: {:?}", redis.live().await);
}

async fn verified(redis: &RedisEnv, store: &Store) -> Verified {
    let redis = HotRedis::open(&redis.url()).unwrap();
    verify(&redis, store.env.log.pg(), &|_, _| {}, &CancellationToken::new()).await.unwrap()
}

async fn agrees(redis: &RedisEnv, store: &Store) {
    let verified = verified(redis, store).await;
    assert_eq!((verified.difference, verified.position), (None, head(store).await));
    assert!(verified.entries > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_feeders_at_once_have_one_effect_and_a_changed_score_is_found() {
    let (store, redis) = (store().await, redis_env().await);
    let mut people = People::new(1);
    people.acts(&store, 50).await;
    let feeders = [Fed::start(&redis, &store), Fed::start(&redis, &store)];
    people.acts(&store, 700).await;
    settled(&redis, &store).await;
    agrees(&redis, &store).await;
    for feeder in feeders {
        feeder.end().await;
    }
    let generation: i64 = redis.ask("GET wg:{hot_views}:live").await;
    let prefix = format!("wg:{{hot_views:g{generation}}}:");
    let hours: Vec<i64> = redis.ask(&format!("ZRANGE {prefix}hours 0 -1")).await;
    assert!(hours.last().unwrap() - hours.first().unwrap() < 31 * 24, "old hours are dropped");
    let hour = hours[hours.len() / 2];
    let key = format!("{prefix}h:{hour}");
    let members: Vec<String> = redis.ask(&format!("ZRANGE {key} 0 -1")).await;
    let _: f64 = redis.ask(&format!("ZINCRBY {key} 1 {}", members[0])).await;
    let found = verified(&redis, &store).await;
    assert_eq!(found.difference, Some(format!("key h:{hour} has other entries than its events make")));
    let _: f64 = redis.ask(&format!("ZINCRBY {key} -1 {}", members[0])).await;
    assert_eq!(verified(&redis, &store).await.difference, None);
    let _: i64 = redis.ask(&format!("SADD {prefix}a:x y")).await;
    let found = verified(&redis, &store).await.difference;
    assert_eq!(found.as_deref(), Some("key a:x is there, but no event made it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn feeders_that_overtake_each_other_build_nothing_anew() {
    let (store, redis) = (store().await, redis_env().await);
    let mut people = People::new(9);
    people.acts(&store, 5).await;
    let first = Fed::start(&redis, &store);
    settled(&redis, &store).await;
    let others = [(); 5].map(|()| Fed::start(&redis, &store));
    // One at a time: a feeder has caught up after each, and the next event is news for all.
    people.acts(&store, 600).await;
    settled(&redis, &store).await;
    agrees(&redis, &store).await;
    assert_eq!(first.stats.snapshot().builds, 1);
    for feeder in others {
        assert_eq!(feeder.stats.snapshot().builds, 0);
        feeder.end().await;
    }
    first.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_twice_has_one_effect_and_a_page_that_does_not_follow_has_none() {
    let (store, env) = (store().await, redis_env().await);
    let redis = HotRedis::open(&env.url()).unwrap();
    let mut people = People::new(2);
    people.acts(&store, 100).await;
    let built = build(&redis, store.env.log.pg(), &|_, _| {}, &CancellationToken::new()).await.unwrap();
    assert_eq!(built.position, 100);
    people.acts(&store, 100).await;
    let page_after = async |from| {
        let limit = PageLimit { events: 30, ..PageLimit::TAIL };
        let events = read_page(store.env.log.pg(), from, limit).await.unwrap();
        Page::fold(from, &events).unwrap()
    };
    let (first, second) = (page_after(100).await, page_after(130).await);
    assert_eq!(redis.apply(built.generation, 1, &second).await.unwrap(), Applied::Elsewhere(100));
    assert_eq!(redis.apply(built.generation, 1, &first).await.unwrap(), Applied::Moved);
    assert_eq!(redis.apply(built.generation, 1, &first).await.unwrap(), Applied::Elsewhere(130));
    let at_once = tokio::join!(
        redis.apply(built.generation, 1, &second),
        redis.apply(built.generation, 1, &second),
        redis.apply(built.generation, 1, &second),
    );
    let moved = [at_once.0, at_once.1, at_once.2].into_iter().filter(|a| matches!(a, Ok(Applied::Moved)));
    assert_eq!(moved.count(), 1);
    let found = verified(&env, &store).await;
    assert_eq!((found.position, found.difference), (160, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_loses_everything_is_filled_again_from_the_log() {
    let (store, mut redis) = (store().await, redis_env().await);
    let mut people = People::new(3);
    people.acts(&store, 200).await;
    let feeder = Fed::start(&redis, &store);
    settled(&redis, &store).await;
    redis.flush().await;
    people.acts(&store, 100).await;
    settled(&redis, &store).await;
    agrees(&redis, &store).await;

    redis.kill();
    people.acts(&store, 100).await;
    redis.restart().await;
    settled(&redis, &store).await;
    agrees(&redis, &store).await;

    // Only the pointer is left: what a flush in the middle of a build may leave behind.
    let generation: i64 = redis.ask("GET wg:{hot_views}:live").await;
    let _: i64 = redis.ask(&format!("DEL wg:{{hot_views:g{generation}}}:checkpoint")).await;
    people.acts(&store, 20).await;
    settled(&redis, &store).await;
    agrees(&redis, &store).await;
    assert!(feeder.stats.snapshot().builds >= 4, "{:?}", feeder.stats.snapshot());
    feeder.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_of_another_log_is_not_believed() {
    let (one, two, redis) = (store().await, store().await, redis_env().await);
    People::new(4).acts(&one, 60).await;
    People::new(5).acts(&two, 60).await;
    let feeder = Fed::start(&redis, &one);
    settled(&redis, &one).await;
    agrees(&redis, &one).await;
    feeder.end().await;
    let found = verified(&redis, &two).await.difference;
    assert!(found.is_some_and(|found| found.contains("this log does not have there")));
    let feeder = Fed::start(&redis, &two);
    for _ in 0..600 {
        if feeder.stats.snapshot().builds == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    settled(&redis, &two).await;
    agrees(&redis, &two).await;
    feeder.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_left_behind_by_a_failover_or_is_an_older_program_leaves_redis_alone() {
    let (store, env) = (store().await, redis_env().await);
    let redis = HotRedis::open(&env.url()).unwrap();
    let mut people = People::new(9);
    people.acts(&store, 30).await;
    let log = store.env.log.pg();
    let built = build(&redis, log, &|_, _| {}, &CancellationToken::new()).await.unwrap();
    let checkpoint = format!("wg:{{hot_views:g{}}}:checkpoint", built.generation);
    for (field, ahead, back) in [("epoch", 2, 1), ("shape", 99, 1)] {
        let _: i64 = env.ask(&format!("HSET {checkpoint} {field} {ahead}")).await;
        let feeder = Fed::start(&env, &store);
        let before = head(&store).await;
        people.acts(&store, 10).await;
        for _ in 0..100 {
            if feeder.stats.snapshot().problem.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let found = feeder.stats.snapshot();
        assert!(found.problem.as_ref().is_some_and(|problem| problem.contains("later epoch")), "{found:?}");
        assert_eq!((found.builds, redis.live().await.unwrap().unwrap().position), (0, before), "{field}");
        let _: i64 = env.ask(&format!("HSET {checkpoint} {field} {back}")).await;
        settled(&env, &store).await;
        agrees(&env, &store).await;
        feeder.end().await;
    }
    // Readers of this program do not guess what another one's shape means.
    let now = people.at;
    assert!(redis.ranked(Window::Month, now, 0, 9).await.unwrap().is_some());
    let _: i64 = env.ask(&format!("HSET {checkpoint} shape 99")).await;
    assert!(redis.ranked(Window::Month, now, 0, 9).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_stands_beside_what_is_shown_until_it_is_done_and_only_one_runs() {
    let (store, env) = (store().await, redis_env().await);
    let redis = HotRedis::open(&env.url()).unwrap();
    let mut people = People::new(6);
    people.acts(&store, 300).await;
    let (log, stop) = (store.env.log.pg(), CancellationToken::new());
    let first = build(&redis, log, &|_, _| {}, &stop).await.unwrap();
    // Stopped half way: what was shown is shown on, nothing is left over.
    let refused = build(&redis, log, &|_, _| stop.cancel(), &stop).await;
    assert!(matches!(refused, Err(HotError::Interrupted)), "{refused:?}");
    assert_eq!(redis.live().await.unwrap().unwrap().generation, first.generation);
    let keys: Vec<String> = env.ask("KEYS *").await;
    let prefix = format!("wg:{{hot_views:g{}}}:", first.generation);
    assert!(
        keys.iter().all(|key| key.starts_with(&prefix) || key.starts_with("wg:{hot_views}:")),
        "{keys:?}"
    );
    let _: String = env.ask("SET wg:{hot_views}:builder somebody PX 60000").await;
    let busy = build(&redis, log, &|_, _| {}, &CancellationToken::new()).await;
    assert!(matches!(busy, Err(HotError::Busy)), "{busy:?}");
    let _: i64 = env.ask("DEL wg:{hot_views}:builder").await;
    let feeder = Fed::start(&env, &store);
    let next = build(&redis, log, &|_, _| {}, &CancellationToken::new()).await.unwrap();
    assert!(next.generation > first.generation);
    people.acts(&store, 50).await;
    settled(&env, &store).await;
    agrees(&env, &store).await;
    let old: Vec<String> = env.ask(&format!("KEYS wg:{{hot_views:g{}}}:*", first.generation)).await;
    assert!(old.is_empty(), "{old:?}");
    feeder.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_ranks_as_the_log_does_in_every_window_and_so_does_the_log_without_redis() {
    let (store, env) = (store().await, redis_env().await);
    let redis = HotRedis::open(&env.url()).unwrap();
    let mut people = People::new(7);
    people.acts(&store, 500).await;
    let log = store.env.log.pg();
    build(&redis, log, &|_, _| {}, &CancellationToken::new()).await.unwrap();
    let mut state = State::default();
    state.take(&read_page(log, 0, PageLimit::REBUILD).await.unwrap());
    let (recent, last) = (RecentActs::default(), people.at);
    let mut some = 0;
    for hours in [0, 1, 5, 23, 24, 100, 167, 168, 400, 700, 719, 720] {
        let now = last + TimeDelta::hours(hours);
        for window in [Window::Day, Window::Week, Window::Month] {
            let expected: Vec<_> = state.ranked(window, now).into_iter().collect();
            let expected: Vec<_> =
                expected.into_iter().map(|(id, score)| (id, score, state.live_threads(id, now))).collect();
            some += expected.len();
            let (position, ranked) = redis.ranked(window, now, 0, 100).await.unwrap().unwrap();
            assert_eq!((position, &ranked), (500, &expected), "{window:?} after {hours} h");
            let from_log = recent.ranked(log, window, now, (0, 100)).await.unwrap();
            assert_eq!((from_log.ranked, from_log.partial), ((500, expected.clone()), false));
            let (_, second) = redis.ranked(window, now, 2, 3).await.unwrap().unwrap();
            assert!(expected.iter().skip(2).take(3).eq(second.iter()));
        }
    }
    assert!(some > 100, "{some}");
    assert!(
        redis.ranked(Window::Month, last + TimeDelta::days(40), 0, 9).await.unwrap().unwrap().1.is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_events_say_when_they_do_not_reach_back_far_enough() {
    let store = store().await;
    let mut people = People::new(8);
    people.acts(&store, 40).await;
    let log = store.env.log.pg();
    let (all, few) = (RecentActs::default(), RecentActs::of_newest(10));
    // The log's own time of these events is now, whatever the commands' was.
    let now = Utc::now();
    assert!(!all.ranked(log, Window::Day, now, (0, 9)).await.unwrap().partial);
    assert!(few.ranked(log, Window::Day, now, (0, 9)).await.unwrap().partial);
    let later = now + TimeDelta::hours(30);
    assert!(!few.ranked(log, Window::Day, later, (0, 9)).await.unwrap().partial);
    // It goes on from where it was, and begins anew when that is too far back.
    people.acts(&store, 5).await;
    assert_eq!(few.ranked(log, Window::Day, now, (0, 9)).await.unwrap().ranked.0, 45);
    people.acts(&store, 25).await;
    assert_eq!(few.ranked(log, Window::Day, now, (0, 9)).await.unwrap().ranked.0, 70);
}
