//! A promoted replica is refused until an operator decides; what it lacks is named, never hidden.

mod salvage;
pub mod standby;

use std::{collections::HashMap, sync::Arc, time::Duration};

use embedded::{NatsUser, Part};
use eventstore::{
    LogPool, StoreError,
    append::{Append, Appender, AppenderConfig, Outcome},
    connect_log,
    epoch::{self, Advance, AdvanceError, Advanced, CheckpointFile, Evidence, Lost, Standing},
    relay::{Relay, RelayConfig, RelayError},
    stream::{StreamClient, StreamConfig, StreamError, verify},
};
use kernel::{Position, SystemClock};
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::standby::Standby;
use crate::support::{NatsEnv, nats_env, own_cluster, write};

fn appender(log: &LogPool) -> Appender {
    let config = AppenderConfig { patience: Duration::from_secs(3), ..AppenderConfig::default() };
    Appender::start(log.clone(), config, CancellationToken::new())
}

async fn append(appender: &Appender) -> Result<Position, StoreError> {
    match appender.append(write(Uuid::now_v7(), 0)).await? {
        Outcome::Committed(at) => Ok(at.first_position),
        other => panic!("{other:?}"),
    }
}

async fn append_many(appender: &Appender, events: i64) -> Position {
    let mut last = 0;
    for _ in 0..events {
        last = append(appender).await.unwrap();
    }
    last
}

fn wish(evidence: Evidence) -> Advance {
    Advance { reason: "the primary burnt".into(), evidence, accept_loss: false, force: false }
}

async fn stream_client(nats: &NatsEnv, epoch: i32) -> StreamClient {
    let config = StreamConfig {
        max_bytes: 64 << 20,
        request_timeout: Duration::from_secs(1),
        ..StreamConfig::embedded(epoch)
    };
    StreamClient::connect(&nats.url_for(NatsUser::Relay), None, config).await.unwrap()
}

async fn relay(log: &LogPool, nats: &NatsEnv, epoch: i32) -> Relay {
    let client = stream_client(nats, epoch).await;
    let config = RelayConfig { lease: None, ..RelayConfig::default() };
    Relay::new(log.clone(), client, &Arc::new(HashMap::new()), config, None)
}

async fn refused(options: &sqlx::postgres::PgConnectOptions) -> StoreError {
    match connect_log(options.clone(), 2).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

async fn positions(pool: &PgPool) -> Vec<i64> {
    let rows = sqlx::query("select position from events order by position").fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What `replay epoch advance` does.
async fn advance_and_announce(
    standby: &Standby,
    advance: &Advance,
    file: &CheckpointFile,
) -> (Advanced, LogPool) {
    let advanced = epoch::advance(&standby.owner_pool(), advance).await.unwrap();
    let log = connect_log(standby.options().clone(), 4).await.unwrap();
    epoch::announce(&log, file, &SystemClock).await.unwrap();
    (advanced, log)
}

#[tokio::test]
async fn a_promoted_replica_is_refused_until_the_epoch_is_advanced() {
    let (mut own, nats) = tokio::join!(own_cluster(), nats_env());
    let old = appender(&own.env.log);
    append_many(&old, 5).await;
    let mut standby = Standby::of(&own).await;
    let head = append_many(&old, 5).await;
    relay(&own.env.log, &nats, 1).await.drain(&mut |_| {}).await.unwrap();
    standby.until_at(head).await;

    // Still a standby.
    let owner = standby.owner_pool();
    assert_eq!(epoch::status(&owner).await.unwrap().standing(), Standing::InRecovery);
    assert!(matches!(refused(standby.options()).await, StoreError::Fenced));
    let early = epoch::advance(&owner, &wish(Evidence::NoStream)).await.unwrap_err();
    assert!(matches!(early, AdvanceError::InRecovery), "{early}");

    // The primary dies, the replica is promoted and takes over its address.
    let port = own.env.options.get_port();
    own.cluster.kill9(Part::Log);
    standby.promote().await;
    standby.move_to_port(port).await;
    let owner = standby.owner_pool();
    let status = epoch::status(&owner).await.unwrap();
    assert_eq!(status.standing(), Standing::OtherTimeline);
    assert_eq!((status.epoch, status.position), (1, head));
    assert_eq!((status.epoch_server.timeline, status.this_server.timeline), (1, 2));
    assert!(matches!(refused(standby.options()).await, StoreError::Fenced));
    // The process of the dead primary finds it by itself and writes nothing there.
    let error = append(&old).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced), "{error:?}");
    let mut left_over = relay(&own.env.log, &nats, 1).await;
    assert!(left_over.step().await.is_err());
    assert_eq!(positions(&owner).await.len() as i64, head);

    // Nothing is lost: the stream ends where the log ends.
    let evidence = epoch::evidence(&owner, &stream_client(&nats, 1).await).await.unwrap();
    assert_eq!(evidence.lost(), None, "{evidence:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = CheckpointFile::in_data_dir(folder.path());
    let (advanced, log) = advance_and_announce(&standby, &wish(evidence), &file).await;
    assert_eq!((advanced.from, advanced.to, advanced.position, advanced.lost), (1, 2, head, None));

    // It goes on without a gap, and says in the log what happened.
    let new = appender(&log);
    assert_eq!(append(&new).await.unwrap(), head + 2);
    assert_eq!(positions(&owner).await, (1..=head + 2).collect::<Vec<_>>());
    let row = sqlx::query("select type, payload::text, aggregate_id from events where position = $1")
        .bind(head + 1)
        .fetch_one(&owner)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "EpochAdvanced");
    assert_eq!(row.get::<String, _>(1), format!(r#"{{"to": 2, "from": 1, "position": {head}}}"#));
    assert_eq!(row.get::<Uuid, _>(2), epoch::platform_stream());
    let lines = file.lines().unwrap();
    assert_eq!(
        (lines.len(), lines[0].to, lines[0].position, lines[0].event_position),
        (1, 2, head, head + 1)
    );

    // Announcing again adds nothing; advancing again is refused.
    let again = epoch::announce(&log, &file, &SystemClock).await.unwrap().unwrap();
    assert!(!again.event_written && !again.line_written);
    let twice = epoch::advance(&owner, &wish(Evidence::NoStream)).await.unwrap_err();
    assert!(matches!(twice, AdvanceError::NothingChanged { epoch: 2 }), "{twice}");

    // A process of the old epoch stays refused on the new epoch's server.
    let error = append(&old).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced), "{error:?}");
    assert_eq!(positions(&owner).await.len() as i64, head + 2);

    // The new epoch's stream begins after the head.
    relay(&log, &nats, 2).await.drain(&mut |_| {}).await.unwrap();
    let stream = stream_client(&nats, 2).await;
    let state = stream.state().await.unwrap();
    assert_eq!((state.name.as_str(), state.first, state.last), ("EVENTS_2", head + 1, head + 2));
    assert!(verify(&log, &stream, 1..=Position::MAX).await.unwrap().is_equal());
}

#[tokio::test]
async fn what_an_asynchronous_replica_lacks_is_named_and_given_up_only_on_purpose() {
    let (mut own, nats) = tokio::join!(own_cluster(), nats_env());
    let old = appender(&own.env.log);
    let kept = append_many(&old, 10).await;
    let standby = Standby::of(&own).await;
    standby.until_at(kept).await;
    standby.stop_streaming().await;
    let last = append_many(&old, 5).await;
    relay(&own.env.log, &nats, 1).await.drain(&mut |_| {}).await.unwrap();
    own.cluster.kill9(Part::Log);
    standby.promote().await;
    let owner = standby.owner_pool();
    for (generation, position, state) in [(1, kept, "live"), (2, last, "building")] {
        sqlx::query(
            "insert into projection_checkpoints (projection, generation, epoch, position, state, schema_name, shape)
             values ('tallies', $1, 1, $2, $3, 'tallies_g' || $1::text, '')",
        )
        .bind(generation)
        .bind(position)
        .bind(state)
        .execute(&owner)
        .await
        .unwrap();
    }

    let evidence = epoch::evidence(&owner, &stream_client(&nats, 1).await).await.unwrap();
    let lost = Lost { epoch: 1, from: kept + 1, to: last };
    assert_eq!(evidence.lost(), Some(lost), "{evidence:?}");
    let refused = epoch::advance(&owner, &wish(evidence.clone())).await.unwrap_err();
    assert!(matches!(refused, AdvanceError::WouldLose { lost: named, .. } if named == lost), "{refused}");
    assert!(
        refused.to_string().starts_with("5 events at positions 11 to 15 of epoch 1 are in the stream EVENTS")
    );
    // Not being able to ask is no way around it.
    let unknown = wish(Evidence::Unknown("NATS is away".into()));
    let refused = epoch::advance(&owner, &unknown).await.unwrap_err();
    assert!(matches!(refused, AdvanceError::NotAsked(_)), "{refused}");
    // Nor is leaving the stream out: a read model stands beyond the head as well.
    let refused = epoch::advance(&owner, &wish(Evidence::NoStream)).await.unwrap_err();
    assert!(matches!(refused, AdvanceError::ReadModelBeyond { .. }), "{refused}");
    assert_eq!(epoch::status(&owner).await.unwrap().epoch, 1);

    let folder = tempfile::tempdir().unwrap();
    let file = CheckpointFile::in_data_dir(folder.path());
    let accepted = Advance { accept_loss: true, ..wish(evidence) };
    let (advanced, log) = advance_and_announce(&standby, &accepted, &file).await;
    assert_eq!((advanced.to, advanced.position, advanced.lost), (2, kept, Some(lost)));
    // What saw the lost events stays behind and says so; the other one goes along.
    assert_eq!(advanced.checkpoints_moved, 1);
    assert_eq!(advanced.must_rebuild.len(), 1);
    let rows = sqlx::query("select epoch, problem from projection_checkpoints order by generation")
        .fetch_all(&owner)
        .await
        .unwrap();
    assert_eq!((rows[0].get::<i32, _>(0), rows[0].get::<Option<String>, _>(1)), (2, None));
    assert_eq!(rows[1].get::<i32, _>(0), 1);
    assert!(rows[1].get::<String, _>(1).contains("rebuild"));
    // The loss stays written: in the database, and outside it.
    let named = "the primary burnt (given up: 5 events at positions 11 to 15 of epoch 1)";
    assert_eq!(epoch::epochs(&owner).await.unwrap()[1].reason, named);
    assert_eq!(file.lines().unwrap()[0].reason, named);

    // No silent divergence: each epoch's stream holds its own events at the same positions.
    let new = appender(&log);
    assert_eq!(append(&new).await.unwrap(), kept + 2);
    relay(&log, &nats, 2).await.drain(&mut |_| {}).await.unwrap();
    let (before, after) = (stream_client(&nats, 1).await, stream_client(&nats, 2).await);
    let report = verify(&log, &after, 1..=Position::MAX).await.unwrap();
    assert!(report.is_equal() && report.equal == 2, "{report:?}");
    let lost_message = before.message_at(kept + 1).await.unwrap().unwrap();
    let new_message = after.message_at(kept + 1).await.unwrap().unwrap();
    assert_ne!(lost_message.event_id, new_message.event_id);
    assert_eq!((lost_message.epoch, new_message.epoch), (Some(1), Some(2)));

    // The old primary comes back and knows of nothing: what it writes never reaches the stream.
    own.cluster.restart(Part::Log).await.unwrap();
    let ghost = connect_log(own.env.options.clone(), 2).await.unwrap();
    append_ghost(&ghost).await;
    let mut relay = relay(&ghost, &nats, 1).await;
    let mut tries = 0;
    let error = loop {
        match relay.step().await {
            // A connection that broke and comes back says nothing about epochs.
            Err(RelayError::Stream(StreamError::Unreachable(_))) if tries < 100 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => break error,
            Ok(step) => panic!("the old epoch's relay went on: {step:?}"),
        }
    };
    assert!(matches!(error, RelayError::Stream(StreamError::EpochOver { ours: 1, newer: 2 })), "{error:?}");
    assert_eq!(after.state().await.unwrap().last, kept + 2);
}

async fn append_ghost(log: &LogPool) {
    let request: Append = write(Uuid::now_v7(), 0);
    let outcome = appender(log).append(request).await.unwrap();
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
}
