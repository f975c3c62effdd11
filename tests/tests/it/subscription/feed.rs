//! Where events come from must not show in the read model.

use std::{sync::Arc, time::Duration};

use eventstore::{
    log::{PageLimit, read_page},
    stream::StreamMessage,
    subscription::{OpenTail, RunnerOptions, TailSource, sentinel_check},
};
use kernel::Position;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::toy::{done, many, registry, row, runner, settle, shown};
use crate::support::{Store, store};

/// A stream that says what the test says. Opened once.
fn scripted() -> (mpsc::Sender<StreamMessage>, OpenTail) {
    let (send, receive) = mpsc::channel(10_000);
    let receive = Arc::new(std::sync::Mutex::new(Some(receive)));
    let open: OpenTail = Arc::new(move |_after| {
        let tail = receive.lock().unwrap().take();
        Box::pin(async move { tail.map(|tail| Box::new(tail) as Box<dyn TailSource>) })
    });
    (send, open)
}

async fn messages(store: &Store, after: Position) -> Vec<StreamMessage> {
    let page = read_page(store.env.log.pg(), after, PageLimit::REBUILD).await.unwrap();
    page.into_iter()
        .map(|event| StreamMessage { position: event.position, epoch: 1, event: Some(event) })
        .collect()
}

async fn assert_sentinel(store: &Store) {
    for report in sentinel_check(store.env.log.pg(), &registry()).await.unwrap() {
        assert!(report.agrees(), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_read_model_catches_up_from_postgres_and_follows() {
    let store = store().await;
    let ids = many(&store, 7, 5_000).await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    settle(&mut runner).await;
    assert_eq!(shown(&store, "tallies").await, (5_000, 5_000));
    let last = done(&store, ids[0], vec![json!({"text": "later"})]).await;
    settle(&mut runner).await;
    assert_eq!(row(&store, "mirror", ids[0]).await.unwrap().last, "later");
    assert_eq!(shown(&store, "mirror").await, (last, 5_001));
    assert_sentinel(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_11_the_same_message_five_times_has_one_effect() {
    let store = store().await;
    let (send, open) = scripted();
    let mut runner =
        runner(&store, &registry(), RunnerOptions { tail: Some(open), ..RunnerOptions::default() }).await;
    settle(&mut runner).await;
    many(&store, 3, 200).await;
    for _ in 0..5 {
        for message in messages(&store, 0).await {
            send.send(message).await.unwrap();
        }
    }
    for message in messages(&store, 0).await {
        for _ in 0..5 {
            let event = message.event.clone();
            send.send(StreamMessage { position: message.position, epoch: 1, event }).await.unwrap();
        }
    }
    settle(&mut runner).await;
    assert_eq!(shown(&store, "tallies").await, (200, 200));
    assert_sentinel(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_foreign_epochs_and_missing_bodies_are_read_from_postgres() {
    let store = store().await;
    let (send, open) = scripted();
    let mut runner =
        runner(&store, &registry(), RunnerOptions { tail: Some(open), ..RunnerOptions::default() }).await;
    settle(&mut runner).await;
    many(&store, 3, 300).await;
    for mut message in messages(&store, 0).await {
        match message.position {
            // Lost.
            10..=19 | 100 => continue,
            // Too big for the stream.
            50 => message.event = None,
            // A relay that was left behind by a failover.
            200 => message.epoch = 7,
            _ => {}
        }
        send.send(message).await.unwrap();
    }
    // Speaks of more than the log has.
    send.send(StreamMessage { position: 900, epoch: 1, event: None }).await.unwrap();
    settle(&mut runner).await;
    assert_eq!(shown(&store, "tallies").await, (300, 300));
    assert_sentinel(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_does_not_stop_the_read_models() {
    let store = store().await;
    let (send, open) = scripted();
    let options =
        RunnerOptions { tail: Some(open), committed: Some(store.appender.committed()), positions: None };
    let runner = runner(&store, &registry(), options).await;
    let positions = runner.positions();
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));
    let id = Uuid::now_v7();
    for n in 0..5 {
        let last = done(&store, id, vec![json!({"text": n.to_string()})]).await;
        let waited = positions.wait_for("tallies", last, Duration::from_secs(3)).await;
        assert!(matches!(waited, eventstore::subscription::Waited::Reached(_)), "{waited:?}");
    }
    // It speaks again, and says what is known already.
    for message in messages(&store, 0).await {
        send.send(message).await.unwrap();
    }
    let last = done(&store, id, vec![json!({"text": "last"})]).await;
    positions.wait_for("tallies", last, Duration::from_secs(3)).await;
    assert_eq!(row(&store, "tallies", id).await.unwrap().count, 6);
    stop.cancel();
    running.await.unwrap();
    assert_sentinel(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_is_replaced_by_postgres() {
    let store = store().await;
    let (send, open) = scripted();
    let mut runner =
        runner(&store, &registry(), RunnerOptions { tail: Some(open), ..RunnerOptions::default() }).await;
    settle(&mut runner).await;
    drop(send);
    many(&store, 3, 50).await;
    settle(&mut runner).await;
    assert_eq!(shown(&store, "tallies").await, (50, 50));
}
