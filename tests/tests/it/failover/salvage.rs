//! `replay stream salvage`: what an asynchronous replica lacks comes back from the stream as it was,
//! or is put aside by name.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use embedded::{NatsUser, Part};
use eventstore::{
    append::{Append, Appender, Outcome},
    connect_log,
    stream::verify,
};
use kernel::Position;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool, Row};
use tempfile::TempDir;
use uuid::Uuid;

use super::{append_many, appender, relay, standby::Standby, stream_client};
use crate::support::{NatsEnv, OwnCluster, binary, nats_env, own_cluster, write};

/// A promoted replica without the tail that the stream has.
struct Accident {
    own: OwnCluster,
    nats: NatsEnv,
    standby: Standby,
    data: TempDir,
    /// The last position that the replica has, and the last one there was.
    kept: Position,
    last: Position,
    /// The lost primary's rows, as text.
    events: Vec<String>,
    streams: Vec<String>,
}

/// Everything that makes an event what it is.
async fn events_of(pool: &PgPool) -> Vec<String> {
    rows(pool, "select row(e.*)::text from events e order by position").await
}

async fn streams_of(pool: &PgPool) -> Vec<String> {
    rows(pool, "select row(s.*)::text from streams s order by aggregate_id").await
}

async fn rows(pool: &PgPool, sql: &str) -> Vec<String> {
    let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn grow(appender: &Appender, id: Uuid, from_version: i64, events: i64) {
    for version in from_version..from_version + events {
        let outcome = appender.append(write(id, version)).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    }
}

impl Accident {
    async fn happens() -> Self {
        let (mut own, nats) = tokio::join!(own_cluster(), nats_env());
        let old = appender(&own.env.log);
        let known = Uuid::now_v7();
        grow(&old, known, 0, 3).await;
        let kept = append_many(&old, 7).await;
        let standby = Standby::of(&own).await;
        standby.until_at(kept).await;
        standby.stop_streaming().await;
        // The tail: an aggregate that the replica knows, one that it does not, and a request of two.
        grow(&old, known, 3, 2).await;
        let new = Uuid::now_v7();
        grow(&old, new, 0, 2).await;
        let (one, two) = (write(Uuid::now_v7(), 0), write(new, 2));
        let both = Append { writes: [one.writes, two.writes].concat(), ..Append::default() };
        let Outcome::Committed(at) = old.append(both).await.unwrap() else { panic!() };
        let last = at.last_position;
        relay(&own.env.log, &nats, 1).await.drain(&mut |_| {}).await.unwrap();
        let events = events_of(&own.env.owner_pool).await;
        let streams = streams_of(&own.env.owner_pool).await;
        own.cluster.kill9(Part::Log);
        standby.promote().await;
        let data = tempfile::tempdir().unwrap();
        Self { own, nats, standby, data, kept, last, events, streams }
    }

    async fn replay(&self, arguments: &[&str]) -> (i32, Value) {
        let url = |options: &sqlx::postgres::PgConnectOptions| options.to_url_lossy().to_string();
        let mut command = Command::new(binary("replay"));
        command
            .args(arguments)
            .arg("--json")
            .env_clear()
            .env("DATA_DIR", self.data.path())
            .env("DATABASE_URL", url(self.standby.options()))
            .env("OWNER_DATABASE_URL", url(&self.standby.owner_pool().connect_options()))
            .env("NATS_URL", self.nats.url_for(NatsUser::App))
            .env("NATS_RELAY_URL", self.nats.url_for(NatsUser::Relay));
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let document = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said} {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), document)
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner may read it");
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_surplus_of_the_stream_goes_back_into_the_log_as_it_was() {
    let accident = Accident::happens().await;
    let Accident { standby, kept, last, .. } = &accident;
    let owner = standby.owner_pool();
    let lost = last - kept;
    assert_eq!(lost, 6);

    let (code, wanted) = accident.replay(&["stream", "salvage", "--dry-run"]).await;
    assert_eq!((code, &wanted["reappended"], &wanted["head"]), (1, &json!(lost), &json!(last)), "{wanted:#}");
    assert_eq!(events_of(&owner).await.len() as i64, *kept, "a dry run changes nothing");

    let (code, done) = accident.replay(&["stream", "salvage"]).await;
    assert_eq!((code, &done["reappended"], &done["put_aside"]), (0, &json!(lost), &json!(0)), "{done:#}");
    assert_eq!(done["surpluses"][0]["rehashed"], json!(0));
    // Positions, ids, versions, times, payloads, salts and hashes: nothing tells them from before.
    assert_eq!(events_of(&owner).await, accident.events);
    assert_eq!(streams_of(&owner).await, accident.streams);

    // Doing it again does nothing, and nothing is lost any more.
    let (code, again) = accident.replay(&["stream", "salvage"]).await;
    assert_eq!((code, &again["reappended"], &again["surpluses"]), (0, &json!(0), &json!([])));
    let (code, advanced) = accident.replay(&["epoch", "advance", "--reason", "the primary burnt"]).await;
    assert_eq!((code, &advanced["lost"], &advanced["position"]), (0, &json!(null), &json!(last)));

    // The log goes on, also in the aggregates that came back.
    let log = connect_log(standby.options().clone(), 4).await.unwrap();
    let new = appender(&log);
    assert_eq!(append_many(&new, 1).await, last + 2);
    relay(&log, &accident.nats, 2).await.drain(&mut |_| {}).await.unwrap();
    let report = verify(&log, &stream_client(&accident.nats, 2).await, 1..=Position::MAX).await.unwrap();
    assert!(report.is_equal() && report.equal == 2, "{report:?}");
    // The stream that was left behind holds what the log holds: no divergence anywhere.
    let before = verify(&log, &stream_client(&accident.nats, 1).await, 1..=*last).await.unwrap();
    assert_eq!((before.equal as i64, before.other_count), (*last, 0), "{before:?}");
}

#[tokio::test]
async fn where_the_log_has_gone_on_the_surplus_is_written_to_a_file_and_named() {
    let accident = Accident::happens().await;
    let Accident { standby, kept, last, .. } = &accident;
    let (code, _) = accident.replay(&["epoch", "advance", "--reason", "in a hurry"]).await;
    assert_eq!(code, 1, "it would lose events");
    let (code, _) = accident.replay(&["epoch", "advance", "--reason", "in a hurry", "--accept-loss"]).await;
    assert_eq!(code, 0);
    let log = connect_log(standby.options().clone(), 4).await.unwrap();
    append_many(&appender(&log), 3).await;
    // The next relay sets the old epoch's stream aside; it is found there as well.
    relay(&log, &accident.nats, 2).await.drain(&mut |_| {}).await.unwrap();
    let owner = standby.owner_pool();
    let before = events_of(&owner).await;

    let (code, dry) = accident.replay(&["stream", "salvage", "--dry-run"]).await;
    assert_eq!((code, &dry["put_aside"], &dry["surpluses"][0]["file"]), (1, &json!(6), &json!(null)));
    let (code, done) = accident.replay(&["stream", "salvage"]).await;
    assert_eq!((code, &done["reappended"], &done["put_aside"]), (1, &json!(0), &json!(6)), "{done:#}");
    let one = &done["surpluses"][0];
    assert_eq!((&one["from"], &one["to"], &one["epoch"]), (&json!(kept + 1), &json!(last), &json!(1)));
    let path = Path::new(one["file"].as_str().unwrap());
    assert!(path.starts_with(accident.data.path()));
    let lines = lines(path);
    assert_eq!(lines.len(), 7, "one about itself, and one per event");
    assert_eq!((&lines[0]["stream"], &lines[0]["from"]), (&json!("EVENTS"), &json!(kept + 1)));
    for (line, position) in lines[1..].iter().zip(kept + 1..) {
        let event = &line["event"];
        assert_eq!(event["position"], json!(position));
        let row = &accident.events[position as usize - 1];
        assert!(row.contains(event["event_id"].as_str().unwrap()), "the lost primary's event");
    }
    assert_eq!(events_of(&owner).await, before, "the log is not touched");

    // Put aside once, it is no news the second time.
    let (code, again) = accident.replay(&["stream", "salvage"]).await;
    assert_eq!((code, &again["surpluses"][0]["file_before"]), (0, &json!(true)), "{again:#}");
}

#[tokio::test]
async fn a_hole_in_the_surplus_stops_the_way_back_and_the_rest_is_named() {
    let accident = Accident::happens().await;
    let Accident { standby, kept, last, .. } = &accident;
    let hole = kept + 4;
    let client = stream_client(&accident.nats, 1).await;
    let admin = async_nats::ConnectOptions::new()
        .user_and_password(
            "admin".into(),
            accident.nats.cluster.endpoints().nats.users.password(NatsUser::Admin).to_owned(),
        )
        .connect(&accident.nats.cluster.endpoints().nats.url)
        .await
        .unwrap();
    let stream = async_nats::jetstream::new(admin).get_stream(client.name()).await.unwrap();
    assert!(stream.delete_message(hole.unsigned_abs()).await.unwrap());

    let (code, done) = accident.replay(&["stream", "salvage"]).await;
    assert_eq!((code, &done["reappended"], &done["put_aside"]), (1, &json!(3), &json!(3)), "{done:#}");
    let one = &done["surpluses"][0];
    assert!(one["obstacle"].as_str().unwrap().contains(&format!("position {hole}")), "{one:#}");
    assert_eq!(lines(Path::new(one["file"].as_str().unwrap())).len(), 4);
    let owner = standby.owner_pool();
    assert_eq!(events_of(&owner).await, accident.events[..hole as usize - 1]);
    // What is lost is still refused until somebody gives it up.
    let (code, refused) = accident.replay(&["epoch", "advance", "--reason", "the primary burnt"]).await;
    assert_eq!(code, 1);
    let named = format!("positions {hole} to {last}");
    assert!(refused["error"].as_str().unwrap().contains(&named), "{refused:#}");
}

#[tokio::test]
async fn a_stream_that_does_not_follow_on_the_log_is_not_let_in() {
    let accident = Accident::happens().await;
    let owner = accident.standby.owner_pool();
    // Somebody moved an aggregate on this server since.
    let stale = rows(&owner, "select aggregate_id::text from streams where version = 3").await;
    let tamper = format!("update streams set version = 9 where aggregate_id = '{}'", stale[0]);
    sqlx::query(&tamper).execute(&owner).await.unwrap();
    let before = events_of(&owner).await;
    let (code, refused) = accident.replay(&["stream", "salvage"]).await;
    assert_eq!(code, 1);
    assert!(refused["error"].as_str().unwrap().contains("does not follow on version 9"), "{refused:#}");
    assert_eq!(events_of(&owner).await, before);
    assert!(accident.own.cluster.pid(Part::Log).is_none(), "the primary stays dead");
}
