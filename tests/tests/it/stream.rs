//! The stream: its configuration, who may do what to it, its readers, and its repair.

use std::{collections::BTreeSet, time::Duration};

use embedded::{NatsUser, Part};
use eventstore::{
    append::{Append, Write},
    log::{PageLimit, read_page},
    relay::{Relay, RelayConfig, RelayError, RelayState},
    stream::{
        Difference, Encoder, Ensured, StreamClient, StreamConfig, StreamError, Tail, epoch_start, rebuild,
        verify,
    },
};
use kernel::Position;
use serde_json::json;
use uuid::Uuid;

use crate::{
    relay::{Line, config, contexts, line, no_lease},
    support::{event, thing},
};

async fn connect(line: &Line, config: StreamConfig) -> StreamClient {
    StreamClient::connect(&line.nats.url_for(NatsUser::Relay), None, config).await.unwrap()
}

/// Reads until every position up to `to` has been seen; repeats are allowed.
async fn see_all(tail: &mut Tail, seen: &mut BTreeSet<Position>, to: Position) {
    let all = async {
        while seen.len() < usize::try_from(to).unwrap() {
            let message = tail.recv().await.expect("the tail goes on");
            assert!(message.event.is_some_and(|event| event.position == message.position));
            seen.insert(message.position);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("every position is seen");
    assert_eq!(seen.last(), Some(&to));
}

/// Creates a stream. Right after a deletion the server may not be done with its folder yet.
async fn make(admin: &StreamClient, fields: &serde_json::Value) {
    let subject = format!("STREAM.CREATE.{}", fields["name"].as_str().unwrap());
    let mut answer = json!({});
    for _ in 0..50 {
        answer = admin.jetstream().request(subject.clone(), fields).await.unwrap();
        if answer["error"].is_null() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_changed_in_place_is_changed() {
    let line = line().await;
    assert_eq!(line.client.ensure(1).await.unwrap(), Ensured::Created);
    assert_eq!(line.client.ensure(1).await.unwrap(), Ensured::AsItShould);
    let longer = StreamConfig { max_age: Duration::from_secs(7200), max_bytes: 300 << 20, ..config() };
    match connect(&line, longer.clone()).await.ensure(1).await.unwrap() {
        Ensured::Updated(mut fields) => {
            fields.sort();
            assert_eq!(fields, ["max_age", "max_bytes"]);
        }
        other => panic!("{other:?}"),
    }
    let state = line.client.state().await.unwrap();
    assert_eq!(state.config["max_bytes"], json!(300 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_that_could_lose_messages_is_named() {
    let line = line().await;
    let admin = line.client_of(NatsUser::Admin).await;
    for (field, value) in [
        ("retention", json!("interest")),
        ("storage", json!("memory")),
        ("discard", json!("new")),
        ("subjects", json!(["events.>", "other.>"])),
        ("max_msgs_per_subject", json!(5)),
        ("allow_rollup_hdrs", json!(true)),
    ] {
        let mut fields = json!({
            "name": "EVENTS", "subjects": ["events.>"], "retention": "limits", "storage": "file",
            "discard": "old", "num_replicas": 1, "allow_direct": true,
        });
        fields[field] = value;
        make(&admin, &fields).await;
        match line.client.ensure(1).await {
            Err(StreamError::Differs { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
        // A relay says so and waits for somebody to decide.
        let log = line.store.env.log.clone();
        let mut relay = Relay::new(log, line.client.clone(), &contexts(), no_lease(), None);
        let stats = relay.stats();
        assert!(matches!(relay.step().await, Err(RelayError::Stream(StreamError::Differs { .. }))));
        assert_eq!(stats.state(), RelayState::Refused);
        admin.delete().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subjects_of_a_stranger_are_not_taken() {
    let line = line().await;
    let admin = line.client_of(NatsUser::Admin).await;
    let fields = json!({ "name": "ORDERS", "subjects": ["events.orders.>"], "storage": "file" });
    make(&admin, &fields).await;
    let error = line.client.ensure(1).await.unwrap_err();
    assert!(matches!(error, StreamError::SubjectsTaken { ref name } if name == "ORDERS"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_user_reads_and_can_neither_publish_nor_change_the_stream() {
    let line = line().await;
    line.append(100).await;
    line.publish_all().await;
    let app = line.client_of(NatsUser::App).await;
    let published = app.jetstream().publish("events.tests.thing", "{}".into()).await.unwrap();
    let published = tokio::time::timeout(Duration::from_secs(2), published).await;
    assert!(!matches!(published, Ok(Ok(_))));
    assert!(app.delete().await.is_err());
    let _ = app.jetstream().get_stream("EVENTS").await.unwrap().purge().await.unwrap_err();
    assert!(app.ensure(1).await.is_err());
    assert_eq!(app.state().await.unwrap().messages, 100);
    let mut tail = Tail::start(app, 0, line.store.stop.clone());
    let mut seen = BTreeSet::new();
    see_all(&mut tail, &mut seen, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_reported_and_healed_by_a_rebuild() {
    let line = line().await;
    line.append(1_000).await;
    line.publish_all().await;
    let admin = line.client_of(NatsUser::Admin).await;
    let stream = admin.jetstream().get_stream("EVENTS").await.unwrap();
    for sequence in [400, 401, 777, 1_000] {
        assert!(stream.delete_message(sequence).await.unwrap());
    }
    let report = line.compare().await;
    assert_eq!(report.holes, [400, 401, 777, 1_000]);
    assert_eq!((report.hole_count, report.equal, report.other_count), (4, 996, 0));
    assert_eq!(report.first_difference, Some(Difference::Hole { position: 400 }));
    // A hole, also at the very end, stops no relay.
    line.append(10).await;
    line.publish_all().await;
    // Part of the stream can be looked at alone.
    let log = &line.store.env.log;
    assert!(verify(log, &line.client, 500..=776).await.unwrap().is_equal());
    let mut told = vec![];
    let last = rebuild(log, &line.client, &contexts(), |published, head| told.push((published, head))).await;
    assert_eq!(last.unwrap(), 1_010);
    assert_eq!(told.last(), Some(&(1_010, 1_010)));
    let report = line.compare().await;
    assert_eq!((report.first, report.equal, report.first_difference), (1, 1_010, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_age_or_size_dropped_is_no_difference() {
    let line = line().await;
    let small = StreamConfig { max_bytes: 256 << 10, ..config() };
    let client = connect(&line, small).await;
    line.append(2_000).await;
    let log = line.store.env.log.clone();
    let mut relay = Relay::new(log.clone(), client.clone(), &contexts(), no_lease(), None);
    relay.drain(&mut |_| {}).await.unwrap();
    let report = verify(&log, &client, 1..=Position::MAX).await.unwrap();
    assert!(report.is_equal() && report.first > 1_000, "{report:?}");
    assert_eq!(report.below_first + report.checked, 2_000);
    assert!(client.state().await.unwrap().fullness() > 0.8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refill_can_be_limited_to_the_newest_events() {
    let line = line().await;
    line.append(1_000).await;
    let client = connect(&line, StreamConfig { refill: Some(100), ..config() }).await;
    let log = line.store.env.log.clone();
    let mut relay = Relay::new(log.clone(), client.clone(), &contexts(), no_lease(), None);
    relay.drain(&mut |_| {}).await.unwrap();
    let report = verify(&log, &client, 1..=Position::MAX).await.unwrap();
    assert!(report.is_equal());
    assert_eq!((report.first, report.last, report.below_first), (901, 1_000, 900));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_starts_again_by_itself() {
    let mut line = line().await;
    let app = line.client_of(NatsUser::App).await;
    // There is no stream yet.
    let mut tail = Tail::start(app.clone(), 0, line.store.stop.clone());
    let mut seen = BTreeSet::new();
    let (_stats, _task) = line.run(RelayConfig::default()).await;
    line.append(300).await;
    see_all(&mut tail, &mut seen, 300).await;
    // The server dies; its memory of our consumer with it.
    line.nats.cluster.kill9(Part::Nats);
    line.append(300).await;
    line.nats.cluster.restart(Part::Nats).await.unwrap();
    see_all(&mut tail, &mut seen, 600).await;
    // Somebody deletes the consumer.
    let admin = line.client_of(NatsUser::Admin).await;
    let names: serde_json::Value =
        admin.jetstream().request("CONSUMER.NAMES.EVENTS", &json!({})).await.unwrap();
    for name in names["consumers"].as_array().unwrap() {
        let subject = format!("CONSUMER.DELETE.EVENTS.{}", name.as_str().unwrap());
        let _: serde_json::Value = admin.jetstream().request(subject, &json!({})).await.unwrap();
    }
    line.append(300).await;
    see_all(&mut tail, &mut seen, 900).await;
    // Somebody deletes the stream.
    line.client.delete().await.unwrap();
    line.append(300).await;
    see_all(&mut tail, &mut seen, 1_200).await;
    assert_eq!(seen.len(), 1_200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_nobody_reads_holds_little_and_stops_at_once() {
    let line = line().await;
    line.append(10_000).await;
    line.publish_all().await;
    let stop = line.store.stop.child_token();
    let mut tail = Tail::start(line.client_of(NatsUser::App).await, 0, stop.clone());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(tail.recv().await.unwrap().position, 1);
    stop.cancel();
    let end = tokio::time::timeout(Duration::from_millis(100), tail.recv()).await.unwrap();
    assert!(end.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_epoch_gets_a_stream_of_its_own_and_the_old_one_is_set_aside() {
    let line = line().await;
    line.append(100).await;
    line.publish_all().await;
    // The log loses nothing here; only the epoch moves on.
    for statement in [
        "insert into epochs (epoch, first_position, reason) values (2, 101, 'test')",
        "update log_head set epoch = 2",
    ] {
        sqlx::query(statement).execute(&line.store.env.owner_pool).await.unwrap();
    }
    let owner = &line.store.env.owner_pool;
    assert_eq!(epoch_start(owner, 2).await.unwrap(), 101);
    let second = connect(&line, StreamConfig { epoch: 2, ..config() }).await;
    assert_eq!(second.name(), "EVENTS_2");
    assert_eq!(second.ensure(101).await.unwrap(), Ensured::Created);
    let state = second.state().await.unwrap();
    assert_eq!((state.first, state.last, state.messages), (101, 100, 0));
    // The old stream keeps what it has and hears nothing any more.
    let old = line.client.state().await.unwrap();
    assert_eq!((old.last, old.messages), (100, 100));
    assert_eq!(old.config["subjects"], json!(["retired.EVENTS"]));
    // What is left of the old epoch is refused.
    assert!(matches!(line.client.ensure(1).await, Err(StreamError::EpochOver { ours: 1, newer: 2 })));
    let mut late = line.relay(no_lease()).await;
    assert!(late.step().await.is_err());
    assert_eq!(second.state().await.unwrap().messages, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn re_publishing_everything_five_times_does_nothing() {
    // Once where the server remembers the ids, once where it never knew them, once where it has
    // forgotten them: there only the sequence protects.
    for (message_ids, window_ms) in [(true, None), (false, None), (true, Some(100))] {
        let line = line().await;
        line.append(2_000).await;
        let url = line.nats.url_for(NatsUser::Relay);
        let mut config = StreamConfig { message_ids, ..config() };
        if let Some(window) = window_ms {
            config.duplicate_window = Duration::from_millis(window);
        }
        let client = StreamClient::connect(&url, None, config).await.unwrap();
        let log = line.store.env.log.clone();
        let mut relay = Relay::new(log, client.clone(), &contexts(), no_lease(), None);
        relay.drain(&mut |_| {}).await.unwrap();
        let before = client.state().await.unwrap();
        let events = read_page(line.store.env.log.pg(), 0, PageLimit::REBUILD).await.unwrap();
        let encoder = Encoder::new(client.config(), &contexts());
        let (mut duplicates, mut refused) = (0, 0);
        if let (Some(event), Some(_)) = (events.last(), window_ms) {
            // Until the window is over even for the last one.
            let mut over = false;
            for _ in 0..200 {
                let message = encoder.encode(event, client.max_payload());
                let publish =
                    client.jetstream().publish_with_headers(message.subject, message.headers, message.body);
                over = publish.await.unwrap().await.is_err();
                if over {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(over, "the server still remembers");
        }
        for _ in 0..5 {
            let mut acks = vec![];
            for event in &events {
                let message = encoder.encode(event, client.max_payload());
                let publish =
                    client.jetstream().publish_with_headers(message.subject, message.headers, message.body);
                acks.push((event.position, publish.await.unwrap()));
            }
            for (position, ack) in acks {
                match ack.await {
                    Ok(ack) => {
                        assert!(ack.duplicate && ack.sequence == position.unsigned_abs());
                        duplicates += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert_eq!(duplicates + refused, 10_000);
        if window_ms.is_some() || !message_ids {
            assert_eq!(duplicates, 0, "nobody remembers their ids");
        }
        let after = client.state().await.unwrap();
        assert_eq!((after.first, after.last, after.bytes), (before.first, before.last, before.bytes));
        assert!(line.compare().await.is_equal());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_sent_without_body_and_read_from_the_log() {
    let line = line().await;
    line.append(3).await;
    let large = event(json!({ "text": "x".repeat(1_100_000) }));
    let write = Write {
        aggregate: thing(Uuid::now_v7()),
        expected_version: 0,
        events: vec![large],
        external_id: None,
    };
    line.store.appender.append(Append { writes: vec![write], ..Append::default() }).await.unwrap();
    line.append(3).await;
    line.publish_all().await;
    assert!(line.compare().await.is_equal());
    let app = line.client_of(NatsUser::App).await;
    let mut tail = Tail::start(app, 0, line.store.stop.clone());
    for position in 1..=7 {
        let message = tail.recv().await.unwrap();
        assert_eq!((message.position, message.epoch), (position, 1));
        assert_eq!(message.event.is_none(), position == 4);
    }
}
