//! Between processes, through Redis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use projections::cache::{Cache, Made};
use tokio::sync::Notify;
use uuid::Uuid;

use super::model::{Model, TEST_VIEWS, THINGS, append, ask, following};
use crate::support::{redis_env, store};

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
