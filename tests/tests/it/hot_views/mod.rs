//! The views in Redis come out of the log and nothing else, whatever happens to Redis and however
//! many feed them.

mod people;
mod ranked;

use std::time::Duration;

use eventstore::log::{self, PageLimit, read_page};
use kernel::Position;
use projections::weave::hot_views::{
    Applied, Feeder, HotError, HotRedis, HotStats, Page, Verified, Window, build, verify,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::people::People;
use crate::support::{RedisEnv, Store, redis_env, store};

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
