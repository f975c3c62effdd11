//! What is shown, by Redis and by the log in its place.

use chrono::{TimeDelta, Utc};
use eventstore::log::{PageLimit, read_page};
use projections::weave::hot_views::{HotRedis, RecentActs, State, Window, build};
use tokio_util::sync::CancellationToken;

use super::people::People;
use crate::support::{redis_env, store};

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
