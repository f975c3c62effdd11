//! Not a test: how fast a rebuild fills a simple read model. Run it with `--release --ignored`.

use std::{sync::Mutex, time::Instant};

use eventstore::{
    generation::{Progress, rebuild, verify},
    subscription::{Registry, RunnerOptions},
};
use tokio_util::sync::CancellationToken;

use crate::{
    subscription::toy::{Tallies, many, runner},
    support::store,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn events_per_second_of_a_rebuild() {
    let store = store().await;
    let registry = Registry::new().with(Tallies::default());
    drop(runner(&store, &registry, RunnerOptions::default()).await);
    let events: usize = std::env::var("WG_EVENTS").map_or(400_000, |text| text.parse().unwrap());
    many(&store, events / 8, events).await;
    sqlx::query("vacuum analyze events").execute(&store.env.owner_pool).await.unwrap();
    let filled = Mutex::new((0.0, Instant::now()));
    let began = Instant::now();
    let report = |step: Progress| {
        if let Progress::Filling { events_per_second, .. } = step {
            *filled.lock().unwrap() = (events_per_second, Instant::now());
        }
    };
    rebuild(&store.env.owner_pool, &registry, &report, &CancellationToken::new()).await.unwrap();
    let (rate, at) = *filled.lock().unwrap();
    let (fill, all) = ((at - began).as_secs_f64(), began.elapsed().as_secs_f64());
    println!("fill: {rate:.0} events/s ({fill:.2} s); with comparison and switch {all:.2} s");
    let stop = CancellationToken::new();
    let runner = runner(&store, &registry, RunnerOptions::default()).await;
    let running = tokio::spawn(runner.run(stop.clone()));
    let began = Instant::now();
    verify(&store.env.owner_pool, &registry, &|_| {}, &stop).await.unwrap();
    println!("verify: {:.2} s", began.elapsed().as_secs_f64());
    stop.cancel();
    running.await.unwrap();
}
