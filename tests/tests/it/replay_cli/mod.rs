//! The operator's tool as an operator meets it: the built binary, its words and its exit codes.

pub mod place;
mod reservations;

use std::{
    io::{BufRead, BufReader, Read},
    process::Command,
};

use eventstore::stream::{StreamClient, StreamConfig};
use serde_json::json;
use sqlx::{Executor, Row};

use self::place::{Place, Said};
pub use self::place::{node, prepared};
use crate::support::nats_env;

#[tokio::test]
async fn status_tells_where_everything_stands() {
    let place = Place::new().await;
    for title in ["Garten", "Werkstatt", "Chor"] {
        place.tie(title).await;
    }
    place.settle().await;
    place.tie("Kino").await;

    let said = place.replay(&["status"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for wanted in ["head        4 in epoch 1", "the log belongs to this server", "node_page"] {
        assert!(said.out.contains(wanted), "{wanted}: {}", said.out);
    }
    assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "no terminal, no escapes");

    let (code, status) = place.json(&["status"]).await;
    assert_eq!(
        (code, &status["log"]["head"], &status["log"]["may_be_written"]),
        (0, &json!(4), &json!(true))
    );
    assert!(status["log"]["partitions_ahead"].as_i64().unwrap() >= 2);
    let page = status["projections"].as_array().unwrap().iter().find(|one| one["name"] == "node_page");
    let page = page.unwrap();
    assert_eq!((&page["position"], &page["lag"], &page["state"]), (&json!(3), &json!(1), &json!("live")));
    assert_eq!((&page["generation"], &page["parked_keys"]), (&json!(1), &json!(0)));
    // NATS is not configured: said, not a failure.
    assert!(status["stream"]["problem"].as_str().unwrap().contains("NATS_URL"));
}

#[tokio::test]
async fn an_event_that_a_read_model_never_got_is_named() {
    let place = Place::new().await;
    place.tie("Garten").await;
    place.settle().await;
    let (_, status) = place.json(&["status"]).await;
    assert_eq!(status["sentinel"], json!([]));
    // One read model steps over an event; its lag says nothing of it.
    place.tie("Werkstatt").await;
    place.sql("update projection_checkpoints set position = 2 where projection = 'node_page'").await;
    place.tie("Chor").await;
    place.settle().await;
    let (_, status) = place.json(&["status"]).await;
    let page = status["projections"].as_array().unwrap().iter().find(|one| one["name"] == "node_page");
    assert_eq!(page.unwrap()["lag"], 0);
    let gaps = status["sentinel"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((&gaps[0]["name"], &gaps[0]["missing"]), (&json!("node_page"), &json!(1)));
    assert_eq!(gaps[0]["event_position"], 2);
    let said = place.replay(&["status"]).await;
    let named = "node_page generation 1 never got the event at position 2 (replay rebuild node_page)";
    assert!(said.out.contains(named), "{}", said.out);
    // A rebuild heals it.
    assert_eq!(place.replay(&["rebuild", "node_page"]).await.code, 0);
    let (_, status) = place.json(&["status"]).await;
    assert_eq!(status["sentinel"], json!([]));
}

#[tokio::test]
async fn a_tampered_read_model_is_found_named_repaired_and_rolled_back() {
    let place = Place::new().await;
    let id = place.tie("Garten").await;
    place.tie("Werkstatt").await;
    place.settle().await;
    let said = place.replay(&["verify"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for name in ["node_map", "node_page", "account_page"] {
        assert!(said.out.contains(&format!("{name}: generation 1 agrees")), "{}", said.out);
    }

    place.sql(&format!("update node_page_g1.node_page set title = 'Acker' where id = '{id}'")).await;
    let said = place.replay(&["verify", "node_page"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("node_page: generation 1 DIFFERS"), "{}", said.out);
    assert!(said.out.contains(&id.to_string()) && said.out.contains("title"), "{}", said.out);
    assert!(!said.out.contains("Acker"), "places are named, values are not");
    let (code, report) = place.json(&["verify"]).await;
    let named = report["read_models"].as_array().unwrap().iter().find(|one| one["difference"].is_object());
    assert_eq!(code, 1);
    assert_eq!(named.unwrap()["difference"]["columns"], json!(["title"]));

    let said = place.replay(&["rebuild", "node_page"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("node_page: generation 2 is live"), "{}", said.out);
    assert_eq!(place.replay(&["verify", "node_page"]).await.code, 0);

    // The way back leads to the generation that was tampered with, and forth again.
    let said = place.replay(&["rollback", "node_page"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("generation 1 is live again"), "{}", said.out);
    assert_eq!(place.replay(&["verify", "node_page"]).await.code, 1);
    let (code, back) = place.json(&["rollback", "node_page"]).await;
    assert_eq!((code, &back["generation"]), (0, &json!(2)));
    let said = place.replay(&["rollback", "account_page"]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    assert!(said.err.contains("no retained generation"), "{}", said.err);

    let (code, all) = place.json(&["rebuild", "--all"]).await;
    let every = projections::weave::registry().names().count();
    assert_eq!((code, all["read_models"].as_array().unwrap().len()), (0, every));
}

#[tokio::test]
async fn parked_events_are_listed_retried_and_skipped() {
    let place = Place::new().await;
    let id = place.tie("Garten").await;
    let poison = place.append(("node", id), 1, "NodeRevised", json!({"title": 5})).await;
    place.append(("node", id), 2, "NodeRevised", json!({"title": "Acker"})).await;
    place.settle().await;

    let said = place.replay(&["parked", "list", "node_page"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let wanted = format!("key {id}: the event at position {poison} cannot be applied");
    assert!(said.out.contains(&wanted) && said.out.contains("1 event waits behind it"), "{}", said.out);
    let (code, listed) = place.json(&["parked", "list", "node_page"]).await;
    assert_eq!((code, listed["events"].as_array().unwrap().len()), (0, 2));
    let said = place.replay(&["status"]).await;
    assert!(said.out.contains("node_page has 1 parked keys"), "{}", said.out);
    // Parked keys are named and not compared.
    let said = place.replay(&["verify", "node_page"]).await;
    assert!(said.code == 0 && said.out.contains("not compared because parked"), "{said:?}");

    let said = place.replay(&["parked", "retry", "node_page"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("STILL PARKED"), "{}", said.out);
    let (key, at) = (id.to_string(), poison.to_string());
    let skip = |position| {
        ["parked", "skip", "node_page", &key, position, "--reason", "broken import"].map(str::to_owned)
    };
    let said = place.replay(&skip("77").each_ref().map(String::as_str)).await;
    assert_eq!(said.code, 1, "not parked: {said:?}");
    let said = place.replay(&skip(&at).each_ref().map(String::as_str)).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("healed"), "{}", said.out);
    assert_eq!(place.replay(&["parked", "list", "node_page"]).await.out.trim(), "nothing is parked");
    assert_eq!(place.replay(&["verify", "node_page"]).await.code, 0);
}

#[tokio::test]
async fn the_stream_is_compared_and_published_anew() {
    let mut place = Place::new().await;
    place.nats = Some(nats_env().await);
    for title in ["Garten", "Werkstatt", "Chor"] {
        place.tie(title).await;
    }
    let said = place.replay(&["stream", "verify"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.err.trim(), "the stream EVENTS does not exist: make it with `replay stream rebuild`");
    let (code, made) = place.json(&["stream", "rebuild"]).await;
    assert_eq!((code, &made["position"]), (0, &json!(3)));
    let said = place.replay(&["stream", "verify"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("stream and log agree"), "{}", said.out);
    let (_, status) = place.json(&["status"]).await;
    assert_eq!((&status["stream"]["last"], &status["stream"]["lag"]), (&json!(3), &json!(0)));

    let admin = place.nats.as_ref().unwrap().url_for(embedded::NatsUser::Admin);
    let client = StreamClient::connect(&admin, None, StreamConfig::embedded(1)).await.unwrap();
    client.jetstream().get_stream("EVENTS").await.unwrap().delete_message(2).await.unwrap();
    let (code, report) = place.json(&["stream", "verify"]).await;
    assert_eq!((code, &report["holes"]), (1, &json!(1)));
    assert_eq!(report["first_difference"], "no message at position 2");
    assert_eq!(place.replay(&["stream", "rebuild"]).await.code, 0);
    assert_eq!(place.replay(&["stream", "verify"]).await.code, 0);
}

#[tokio::test]
async fn what_cannot_run_says_why_in_one_sentence() {
    let mut place = Place::new().await;
    let one_sentence = |said: &Said| {
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
        assert_eq!(said.err.trim().lines().count(), 1, "{said:?}");
        assert!(!said.err.contains("geheim"), "{said:?}");
    };
    let said = place.replay(&["verify", "nonsense"]).await;
    one_sentence(&said);
    assert!(said.err.contains("there are node_map, node_page, account_page"), "{}", said.err);

    place.extra.insert("OWNER_DATABASE_URL", "postgres://u:geheim@127.0.0.1:1/d".into());
    let said = place.replay(&["status"]).await;
    one_sentence(&said);
    assert!(said.err.contains("u@127.0.0.1:1/d (OWNER_DATABASE_URL) cannot be reached"), "{}", said.err);
    let (code, document) = place.json(&["status"]).await;
    assert_eq!(code, 2);
    assert!(document["error"].as_str().unwrap().contains("cannot be reached"));
    place.extra.insert("OWNER_DATABASE_URL", "geheim is no url".into());
    one_sentence(&place.replay(&["status"]).await);

    // No URL and no private servers: nothing is created by mistake.
    let mut command = place.command(&["status"]);
    command.env_remove("DATABASE_URL").env_remove("OWNER_DATABASE_URL");
    let said: Said = command.output().unwrap().into();
    one_sentence(&said);
    assert!(said.err.contains("there are no private servers in"), "{}", said.err);
    assert_eq!(std::fs::read_dir(place.data.path()).unwrap().count(), 0);
    // A wrong word on the command line.
    assert_eq!(place.replay(&["rebuild"]).await.code, 2);
    assert_eq!(place.replay(&["--help"]).await.code, 0);
}

#[tokio::test]
async fn a_server_that_changed_is_refused_until_the_epoch_is_advanced() {
    let place = Place::new().await;
    place.tie("Garten").await;
    place.settle().await;
    let said = place.replay(&["epoch", "advance", "--reason", "no reason"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("nothing has changed"), "{}", said.err);
    assert_eq!(place.replay(&["epoch", "status"]).await.code, 0);

    // What a promoted replica finds.
    place.sql("update log_head set timeline = timeline + 7").await;
    assert_eq!(place.replay(&["epoch", "status"]).await.code, 1);
    let said = place.replay(&["status"]).await;
    assert!(said.code == 0 && said.out.contains("appends are refused"), "{said:?}");
    let said = place.replay(&["rebuild", "node_page"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("replay epoch advance"), "{}", said.err);
    let said = place.replay(&["epoch", "advance", "--reason", "disk"]).await;
    assert_eq!(said.code, 1, "nobody could be asked: {said:?}");
    let (code, done) = place.json(&["epoch", "advance", "--reason", "disk", "--accept-loss"]).await;
    assert_eq!((code, &done["from"], &done["to"], &done["position"]), (0, &json!(1), &json!(2), &json!(1)));
    let file = std::fs::read_to_string(place.data.path().join("checkpoints/epochs.jsonl")).unwrap();
    assert_eq!(file.lines().count(), 1);

    // The line is lost before it reached the disk: calling again makes up for it, once.
    std::fs::remove_file(place.data.path().join("checkpoints/epochs.jsonl")).unwrap();
    let said = place.replay(&["epoch", "advance", "--reason", "disk"]).await;
    assert!(said.code == 0 && said.out.contains("is complete now"), "{said:?}");
    assert_eq!(place.replay(&["epoch", "advance", "--reason", "disk"]).await.code, 1);
    let (_, status) = place.json(&["status"]).await;
    assert_eq!((&status["log"]["epoch"], &status["log"]["head"]), (&json!(2), &json!(2)));
    assert_eq!(place.replay(&["rebuild", "node_page"]).await.code, 0);
}

#[tokio::test]
async fn a_rebuild_that_was_killed_shows_as_abandoned_and_the_same_command_goes_on() {
    let place = Place::new().await;
    place.tie("Garten").await;
    place.settle().await;
    // Somebody reads for a long time: the switch has to wait for him.
    let mut reader = place.store.env.owner_pool.begin().await.unwrap();
    reader.execute("set transaction isolation level repeatable read").await.unwrap();
    sqlx::query("select count(*) from read.node_page").fetch_one(&mut *reader).await.unwrap();
    let mut child = place.command(&["rebuild", "node_page"]).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let waiting = tokio::task::spawn_blocking(move || {
        let waits = err
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("waiting for database process"));
        assert!(waits, "it says for whom it waits");
        // Still open: it goes on telling.
        (child, err)
    });
    let (mut child, _err) = waiting.await.unwrap();
    let state = async || {
        let (_, status) = place.json(&["status"]).await;
        let rows = status["projections"].as_array().unwrap();
        let next = rows.iter().find(|one| one["name"] == "node_page" && one["generation"] == 2);
        (next.unwrap()["state"].as_str().unwrap().to_owned(), status["attention"].to_string())
    };
    assert_eq!(state().await.0, "building");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut found = state().await;
    for _ in 0..100 {
        // The server notices in its own time that the session has gone.
        if found.0 != "building" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        found = state().await;
    }
    assert_eq!(found.0, "abandoned");
    assert!(
        found.1.contains("by a process that has ended: `replay rebuild node_page` goes on"),
        "{}",
        found.1
    );
    reader.rollback().await.unwrap();
    let (code, rebuilt) = place.json(&["rebuild", "node_page"]).await;
    assert_eq!((code, &rebuilt["read_models"][0]["generation"]), (0, &json!(2)));
    assert_eq!(state().await.0, "live");
}

#[tokio::test]
async fn ctrl_c_ends_with_130_and_the_same_command_goes_on() {
    let place = Place::new().await;
    place.tie("Garten").await;
    place.settle().await;
    // Somebody reads for a long time: the switch has to wait for him.
    let mut reader = place.store.env.owner_pool.begin().await.unwrap();
    reader.execute("set transaction isolation level repeatable read").await.unwrap();
    let rows = sqlx::query("select count(*) from read.node_page").fetch_one(&mut *reader).await.unwrap();
    assert_eq!(rows.get::<i64, _>(0), 1);
    let mut child = place.command(&["rebuild", "node_page"]).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let said = tokio::task::spawn_blocking(move || {
        let waits = err
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains("waiting for database process"));
        assert!(waits.is_some(), "it says for whom it waits");
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let mut rest = String::new();
        err.read_to_string(&mut rest).unwrap();
        let mut said = Said::from(child.wait_with_output().unwrap());
        said.err = rest;
        said
    });
    let said = said.await.unwrap();
    assert_eq!((said.code, said.out.as_str()), (130, ""), "{said:?}");
    assert!(said.err.contains("the same command again goes on"), "{}", said.err);
    reader.rollback().await.unwrap();
    let (code, rebuilt) = place.json(&["rebuild", "node_page"]).await;
    assert_eq!(
        (code, &rebuilt["read_models"][0]["generation"]),
        (0, &json!(2)),
        "it went on with generation 2"
    );
}
