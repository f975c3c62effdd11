//! Positions are gapless and in commit order, whoever writes and whatever dies.

use std::{collections::HashMap, time::Duration};

use eventstore::{
    LogPool, StoreError,
    append::{Appender, AppenderConfig, Outcome},
    connect_log,
    log::{PageLimit, read_page},
};
use kernel::Position;
use sqlx::Row;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{LogEnv, Worker, log_env, own_cluster, store, write};

/// Tails the log and remembers what it saw; `Err` names the first hole or change.
struct Tailer {
    log: LogPool,
    seen: Vec<Uuid>,
    reads: u64,
}

impl Tailer {
    fn new(log: LogPool) -> Self {
        Self { log, seen: vec![], reads: 0 }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let after = self.seen.len() as Position;
        let page = read_page(self.log.pg(), after, PageLimit { events: 500, bytes: 1 << 20 }).await?;
        self.seen.extend(page.into_iter().map(|event| event.event_id));
        self.reads += 1;
        Ok(())
    }

    /// What was seen once is there still, at the same place.
    async fn assert_unchanged(&self) {
        let rows = sqlx::query("select position, event_id from events order by position")
            .fetch_all(self.log.pg())
            .await
            .unwrap();
        for (index, id) in self.seen.iter().enumerate() {
            assert_eq!(rows[index].get::<i64, _>("position"), index as i64 + 1);
            assert_eq!(rows[index].get::<Uuid, _>("event_id"), *id, "position {} has changed", index + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_writers_in_two_processes_show_no_reader_a_gap() {
    let env = log_env().await;
    let writers = [("WG_WRITERS", "32".to_owned())];
    let workers = [Worker::start(&env, "append", &writers), Worker::start(&env, "append", &writers)];
    let mut tailers: Vec<Tailer> = (0..3).map(|_| Tailer::new(env.log.clone())).collect();
    while tailers.iter().any(|tailer| tailer.seen.len() < 8_000) {
        for tailer in &mut tailers {
            tailer.look().await.expect("no gap");
        }
    }
    let mut acknowledged = HashMap::new();
    for worker in workers {
        for line in worker.kill() {
            if let ["ack", event, position] = line.split(' ').collect::<Vec<_>>()[..] {
                acknowledged.insert(event.parse::<Uuid>().unwrap(), position.parse::<i64>().unwrap());
            }
        }
    }
    for tailer in &tailers {
        tailer.assert_unchanged().await;
    }
    let rows = sqlx::query("select position, event_id from events").fetch_all(env.log.pg()).await.unwrap();
    let stored: HashMap<Uuid, i64> = rows.iter().map(|row| (row.get(1), row.get(0))).collect();
    assert_eq!(stored.len(), rows.len());
    for (event, position) in &acknowledged {
        assert_eq!(stored.get(event), Some(position), "acknowledged and not where it was said");
    }
    assert!(acknowledged.len() > 7_000);
}

/// Negative control: with positions from a sequence the same reader finds a gap.
#[tokio::test(flavor = "multi_thread")]
async fn the_gap_reader_finds_the_gaps_of_a_sequence() {
    let env = log_env().await;
    sqlx::raw_sql("create sequence wrong_positions").execute(&env.owner_pool).await.unwrap();
    let stop = CancellationToken::new();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (pool, stop) = (env.owner_pool.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    sqlx::query(
                        "with p as materialized (select nextval('wrong_positions') as p, pg_sleep(random() * 0.02))
                         insert into events select p, 1, now(), gen_random_uuid(), gen_random_uuid(), 1,
                                'thing', 'ThingDone', '{}', '{}', null, ''::bytea from p",
                    )
                    .execute(&pool)
                    .await
                    .unwrap();
                }
            })
        })
        .collect();
    let mut tailer = Tailer::new(env.log.clone());
    let mut found = None;
    while found.is_none() && tailer.seen.len() < 5_000 {
        found = tailer.look().await.err();
    }
    stop.cancel();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(found.is_some(), "the reader of the test above could not fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_process_stops_nobody_elses_appends() {
    let store = store().await;
    let worker = Worker::start(
        &store.env,
        "append",
        &[("WG_WRITERS", "16".to_owned()), ("WG_PAUSE_MS", "0".to_owned())],
    );
    worker.wait_for("ack").await;
    for round in 0..40 {
        worker.signal("-STOP");
        for _ in 0..5 {
            let appended = store.appender.append(write(Uuid::now_v7(), 0));
            let outcome = tokio::time::timeout(Duration::from_secs(30), appended).await;
            assert!(
                matches!(outcome, Ok(Ok(Outcome::Committed(_)))),
                "round {round}: {outcome:?} while another process is paused"
            );
        }
        worker.signal("-CONT");
        tokio::time::sleep(Duration::from_millis(13)).await;
    }
    assert!(worker.kill().len() > 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_its_backend_waits_for_the_head_leaves_one_outcome() {
    let store = store().await;
    for _ in 0..5 {
        let (aggregate, event) = (Uuid::now_v7(), Uuid::now_v7());
        let mut head = store.env.owner_pool.begin().await.unwrap();
        sqlx::query("select 1 from log_head for update").execute(&mut *head).await.unwrap();
        let worker = Worker::start(
            &store.env,
            "append-one",
            &[("WG_AGGREGATE", aggregate.to_string()), ("WG_EVENT", event.to_string())],
        );
        wait_for_lock(&store.env).await;
        worker.kill();
        // Nobody can know now: its backend may still commit when the head is free.
        let mut again = write(aggregate, 0);
        again.writes[0].events[0].event_id = event;
        let appender = store.appender.clone();
        let resolved = tokio::spawn(async move { appender.append(again).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        head.commit().await.unwrap();
        let outcome = resolved.await.unwrap().unwrap();
        let ours = match outcome {
            Outcome::Committed(_) => true,
            // The first one came through: whose it is says the stored event.
            Outcome::Conflict { actual: 1, .. } => true,
            other => panic!("{other:?}"),
        };
        assert!(ours);
        let rows = sqlx::query("select event_id from events where aggregate_id = $1")
            .bind(aggregate)
            .fetch_all(&store.env.owner_pool)
            .await
            .unwrap();
        assert_eq!(rows.len(), 1, "exactly once");
        assert_eq!(rows[0].get::<Uuid, _>(0), event);
    }
}

async fn wait_for_lock(env: &LogEnv) {
    for _ in 0..600 {
        let waiting: i64 = sqlx::query(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&env.owner_pool)
        .await
        .unwrap()
        .get(0);
        if waiting > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody waits for the head");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postmaster_killed_during_appends_loses_and_doubles_nothing() {
    let mut own = own_cluster().await;
    let log = connect_log(own.env.options.clone(), 6).await.unwrap();
    let appender = Appender::start(log, AppenderConfig::default(), CancellationToken::new());
    let stop = CancellationToken::new();
    let writers: Vec<_> = (0..32)
        .map(|_| {
            let (appender, stop) = (appender.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut acknowledged, mut unknown) = (vec![], vec![]);
                let id = Uuid::now_v7();
                let mut version = 0;
                while !stop.is_cancelled() {
                    let request = write(id, version);
                    let event = request.writes[0].events[0].event_id;
                    match appender.append(request.clone()).await {
                        Ok(Outcome::Committed(at)) => {
                            version += 1;
                            acknowledged.push((event, at.first_position));
                        }
                        Ok(other) => panic!("only we write here: {other:?}"),
                        Err(_) => {
                            // Given up for now: the same append again settles it.
                            unknown.push(event);
                            loop {
                                match appender.append(request.clone()).await {
                                    Ok(Outcome::Committed(at)) => {
                                        acknowledged.push((event, at.first_position));
                                        version += 1;
                                        break;
                                    }
                                    Ok(Outcome::Conflict { actual, .. }) if actual == version + 1 => {
                                        version += 1;
                                        break;
                                    }
                                    other => {
                                        assert!(other.is_err(), "{other:?}");
                                        tokio::time::sleep(Duration::from_millis(100)).await;
                                    }
                                }
                            }
                        }
                    }
                }
                (acknowledged, unknown)
            })
        })
        .collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        own.cluster.kill9(embedded::Part::Log);
        own.cluster.restart(embedded::Part::Log).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    stop.cancel();
    let mut acknowledged = vec![];
    for writer in writers {
        acknowledged.extend(writer.await.unwrap().0);
    }
    let rows = sqlx::query("select event_id, position from events order by position")
        .fetch_all(&own.env.owner_pool)
        .await
        .unwrap();
    let stored: HashMap<Uuid, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(stored.len(), rows.len(), "an event stands twice");
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row.get::<i64, _>("position"), index as i64 + 1, "a gap");
    }
    for (event, position) in &acknowledged {
        assert_eq!(stored.get(event), Some(position), "acknowledged and lost");
    }
    assert!(acknowledged.len() > 100);
}
