//! A plain cqrs-es application with string ids runs on our store.

use std::collections::HashMap;

use cqrs_es::{
    Aggregate, AggregateError, CqrsFramework, DomainEvent, EventStore,
    event_sink::EventSink,
    persist::{PersistedEventRepository, PersistedEventStore, PersistenceError, SerializedEvent},
};
use eventstore::cqrs::{CqrsRepository, CqrsStore};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;

use crate::support::store;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counter {
    total: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum CounterEvent {
    Added { amount: i64 },
}

impl DomainEvent for CounterEvent {
    fn event_type(&self) -> String {
        "Added".to_owned()
    }

    fn event_version(&self) -> String {
        "2.1".to_owned()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("too much")]
struct TooMuch;

impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    type Command = i64;
    type Event = CounterEvent;
    type Error = TooMuch;
    type Services = ();

    async fn handle(&mut self, amount: i64, (): &(), sink: &EventSink<Self>) -> Result<(), TooMuch> {
        if self.total + amount > 100 {
            return Err(TooMuch);
        }
        sink.write(CounterEvent::Added { amount }, self).await;
        Ok(())
    }

    fn apply(&mut self, CounterEvent::Added { amount }: CounterEvent) {
        self.total += amount;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_cqrs_framework_runs_on_our_store() {
    let store = store().await;
    let repository = CqrsRepository::new(store.env.log.clone(), store.appender.clone());
    let framework = CqrsFramework::new(CqrsStore::<Counter>::new(repository.clone()), vec![], ());
    let metadata = HashMap::from([("time".to_owned(), "noon".to_owned())]);
    framework.execute_with_metadata("käfer/7", 40, metadata.clone()).await.unwrap();
    framework.execute("käfer/7", 60).await.unwrap();
    assert!(matches!(framework.execute("käfer/7", 1).await, Err(AggregateError::UserError(_))));

    let events = CqrsStore::<Counter>::new(repository).load_events("käfer/7").await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].sequence, &events[0].payload), (1, &CounterEvent::Added { amount: 40 }));
    assert_eq!(events[0].metadata, metadata);

    let row = sqlx::query("select external_id, version from streams").fetch_one(&store.env.owner_pool).await;
    let row = row.unwrap();
    assert_eq!((row.get::<String, _>(0), row.get::<i64, _>(1)), ("käfer/7".to_owned(), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_persisted_store_of_cqrs_es_runs_on_our_repository_with_and_without_snapshots() {
    let store = store().await;
    let repository = CqrsRepository::new(store.env.log.clone(), store.appender.clone());
    let plain = PersistedEventStore::<_, Counter>::new_event_store(repository.clone());
    let framework = CqrsFramework::new(plain, vec![], ());
    for _ in 0..3 {
        framework.execute("a", 10).await.unwrap();
    }
    let snapshots = PersistedEventStore::<_, Counter>::new_snapshot_store(repository.clone(), 2);
    let framework = CqrsFramework::new(snapshots, vec![], ());
    for _ in 0..5 {
        framework.execute("b", 10).await.unwrap();
    }
    let snapshot = repository.get_snapshot::<Counter>("b").await.unwrap().expect("a snapshot");
    assert!(snapshot.current_sequence >= 4, "{snapshot:?}");
    assert_eq!(
        repository.get_last_events::<Counter>("b", snapshot.current_sequence).await.unwrap().len(),
        5 - snapshot.current_sequence
    );
    let aggregates = PersistedEventStore::<_, Counter>::new_aggregate_store(repository.clone());
    let framework = CqrsFramework::new(aggregates, vec![], ());
    framework.execute("c", 1).await.unwrap();
    framework.execute("c", 2).await.unwrap();

    let mut all = repository.stream_all_events::<Counter>().await.unwrap();
    let mut seen = vec![];
    while let Some(event) = all.next::<Counter>(&[]).await {
        let event = event.unwrap();
        seen.push((event.aggregate_id, event.sequence));
    }
    assert_eq!(seen.len(), 10);
    assert_eq!(seen.iter().filter(|(id, _)| id == "b").count(), 5);
    let mut one = repository.stream_events::<Counter>("b").await.unwrap();
    let mut sequences = vec![];
    while let Some(event) = one.next::<Counter>(&[]).await {
        sequences.push(event.unwrap().sequence);
    }
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_repository_keeps_postgres_es_expectations() {
    let store = store().await;
    let repository = CqrsRepository::new(store.env.log.clone(), store.appender.clone());
    let event = |sequence| {
        SerializedEvent::new(
            "x".into(),
            sequence,
            "counter".into(),
            "Added".into(),
            "2.1".into(),
            json!({"Added": {"amount": 1}}),
            json!({"who": "me"}),
        )
    };
    assert!(repository.get_events::<Counter>("x").await.unwrap().is_empty());
    assert!(repository.get_snapshot::<Counter>("x").await.unwrap().is_none());
    repository.persist::<Counter>(&[], None).await.unwrap();
    repository.persist::<Counter>(&[event(1), event(2)], None).await.unwrap();
    let again = repository.persist::<Counter>(&[event(2)], None).await;
    assert!(matches!(again, Err(PersistenceError::OptimisticLockError)));
    let gap = repository.persist::<Counter>(&[event(7)], None).await;
    assert!(matches!(gap, Err(PersistenceError::OptimisticLockError)));
    assert_eq!(repository.get_events::<Counter>("x").await.unwrap(), [event(1), event(2)]);
    assert_eq!(repository.get_last_events::<Counter>("x", 1).await.unwrap(), [event(2)]);
}
