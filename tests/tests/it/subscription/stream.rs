//! The whole way: append, relay, JetStream, read model.

use std::{collections::HashMap, sync::Arc, time::Duration};

use embedded::{NatsUser, Part};
use eventstore::{
    relay::{Relay, RelayConfig},
    stream::{StreamClient, StreamConfig},
    subscription::{RunnerOptions, Waited, sentinel_check, stream_tail},
};
use kernel::Name;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::toy::{done, many, registry, runner, shown};
use crate::support::{nats_env, store};

#[tokio::test(flavor = "multi_thread")]
async fn read_models_follow_the_stream_and_outlive_it() {
    let (store, mut nats) = tokio::join!(store(), nats_env());
    let config = StreamConfig {
        max_bytes: 256 << 20,
        request_timeout: Duration::from_secs(1),
        ..StreamConfig::embedded(1)
    };
    let publisher =
        StreamClient::connect(&nats.url_for(NatsUser::Relay), None, config.clone()).await.unwrap();
    let reader = StreamClient::connect(&nats.url_for(NatsUser::App), None, config).await.unwrap();
    let contexts = Arc::new(HashMap::from([(Name::constant("thing"), Name::constant("tests"))]));
    let relay = Relay::new(
        store.env.log.clone(),
        publisher,
        &contexts,
        RelayConfig::default(),
        Some(store.appender.committed()),
    );
    let relaying = tokio::spawn(relay.run(store.stop.clone()));
    let stop = CancellationToken::new();
    // Not told of commits in this process: only the stream is faster than the poll.
    let options = RunnerOptions { tail: Some(stream_tail(reader, stop.clone())), ..RunnerOptions::default() };
    let runner = runner(&store, &registry(), options).await;
    let positions = runner.positions();
    let running = tokio::spawn(runner.run(stop.clone()));

    many(&store, 20, 2_000).await;
    let reached = positions.wait_for("tallies", 2_000, Duration::from_secs(20)).await;
    assert!(matches!(reached, Waited::Reached(_)), "{reached:?}");
    let id = Uuid::now_v7();
    for n in 0..20 {
        let last = done(&store, id, vec![json!({"text": n.to_string()})]).await;
        let reached = positions.wait_for("tallies", last, Duration::from_secs(5)).await;
        assert!(matches!(reached, Waited::Reached(_)), "{reached:?}");
    }
    // Without the stream: from Postgres. With it again: on.
    nats.cluster.kill9(Part::Nats);
    let last = done(&store, id, vec![json!({"text": "no stream"})]).await;
    let reached = positions.wait_for("tallies", last, Duration::from_secs(5)).await;
    assert!(matches!(reached, Waited::Reached(_)), "{reached:?}");
    nats.cluster.restart(Part::Nats).await.unwrap();
    many(&store, 20, 500).await;
    let last = done(&store, id, vec![json!({"text": "end"})]).await;
    for name in ["tallies", "mirror", "idle"] {
        let reached = positions.wait_for(name, last, Duration::from_secs(10)).await;
        assert!(matches!(reached, Waited::Reached(_)), "{name}: {reached:?}");
    }
    assert_eq!(shown(&store, "tallies").await, (last, last));
    for report in sentinel_check(store.env.log.pg(), &registry()).await.unwrap() {
        assert!(report.agrees(), "{report:?}");
    }
    stop.cancel();
    running.await.unwrap();
    store.stop.cancel();
    relaying.await.unwrap();
}
