//! `replay audit` as an auditor meets it.

use std::{fs, process::Command};

use eventstore::audit::{CheckpointNotes, Sealing, SealingConfig, SignerFolder};
use serde_json::json;

use crate::{replay_cli::place::Place, support::binary};

/// Seals with the keys and the file that `replay` looks for.
async fn seal(place: &Place) {
    place.sql("update audit_lease set owner = null, until = null").await;
    let folder = SignerFolder::in_keys_dir(&place.data.path().join("keys"));
    let file = CheckpointNotes::in_data_dir(place.data.path());
    let log = place.store.env.log.clone();
    Sealing::new(log, folder, file, SealingConfig::default()).drain().await.unwrap();
}

async fn attack(place: &Place, sql: &str) {
    let sql = format!("begin; set local session_replication_role = replica; {sql}; commit");
    sqlx::raw_sql(&sql).execute(&place.store.env.owner_pool).await.unwrap();
}

async fn place() -> Place {
    let place = Place::new().await;
    for title in ["Garten", "Werkstatt", "Chor", "Kino", "Bibliothek"] {
        place.tie(title).await;
    }
    seal(&place).await;
    place
}

#[tokio::test]
async fn verify_prints_one_page_and_a_document() {
    let place = place().await;
    place.tie("Laden").await;
    let said = place.replay(&["audit", "verify"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for wanted in [
        ": nothing differs",
        "log           positions 1 to 6, epoch 1",
        "read          6 events from position 1",
        "sealed        positions 1 to 5 by the checkpoint of ",
        "unsealed      1 event",
        "notice: the last 1 events are not sealed yet",
    ] {
        assert!(said.out.contains(wanted), "{wanted}: {}", said.out);
    }
    let (code, document) = place.json(&["audit", "verify"]).await;
    assert_eq!((code, &document["ok"], &document["sealed"]), (0, &json!(true), &json!(5)));
    assert_eq!((&document["first_divergence"], &document["findings"]), (&json!(null), &json!([])));

    attack(&place, "update events set recorded_at = now() where position = 3").await;
    let said = place.replay(&["audit", "verify"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("1 DIFFERENCE"), "{}", said.out);
    assert!(
        said.out.contains("the event at position 3 is not the one that was sealed there"),
        "{}",
        said.out
    );
    let (code, document) = place.json(&["audit", "verify"]).await;
    assert_eq!((code, &document["first_divergence"]["from"]), (1, &json!(3)));
    assert_eq!(document["first_divergence"]["expected"].as_str().unwrap().len(), 64);
    let said = place.replay(&["audit", "scan", "--sample", "200"]).await;
    assert_eq!(said.code, 1, "one of five: {said:?}");
    assert_eq!(place.replay(&["audit", "prove", "3"]).await.code, 1);
    assert_eq!(place.replay(&["audit", "prove", "2"]).await.code, 0);
}

#[tokio::test]
async fn a_bundle_is_checked_without_any_server() {
    let place = place().await;
    let id: uuid::Uuid = sqlx::query_scalar("select event_id from events where position = 4")
        .fetch_one(&place.store.env.owner_pool)
        .await
        .unwrap();
    let file = place.data.path().join("bundle.json");
    let path = file.to_str().unwrap();
    let said = place.replay(&["audit", "bundle", &id.to_string(), "--output", path]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(place.replay(&["audit", "bundle", "4", "--output", path]).await.code, 2, "never over another");
    let said = place.replay(&["audit", "bundle", "3", "--reason", "complaint 12"]).await;
    assert_eq!(said.json()["proof"]["event"]["position"], 3, "{said:?}");
    let (who, why): (String, String) =
        sqlx::query_as("select who, why from access_log order by number desc limit 1")
            .fetch_one(&place.store.env.owner_pool)
            .await
            .unwrap();
    assert!(who.starts_with("operator:") && why == "complaint 12", "{who} {why}");
    let (_, keys) = place.json(&["audit", "keys", "list"]).await;
    let key = keys["keys"][0]["key"].as_str().unwrap().to_owned();

    let alone = |arguments: &[&str]| {
        let output = Command::new(binary("replay"))
            .args(["audit", "verify-bundle"])
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (code, text) = alone(&[path, "--key", &key]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("position    4 of epoch 1") && text.contains("payload     is what was signed"),
        "{text}"
    );
    let (code, text) = alone(&[path]);
    assert!(code == 0 && text.contains("notice"), "{text}");

    // Another's key, and every kind of change.
    let other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(alone(&[path, "--key", other]).0, 1);
    let whole = fs::read_to_string(&file).unwrap();
    for (from, to) in [
        ("\"Kino\"", "\"Oper\""),
        ("\"position\": 4", "\"position\": 3"),
        ("NodeTied", "NodeUntied"),
        ("\"version\": 1", "\"version\": 2"),
        ("\"leaf_index\": 3", "\"leaf_index\": 2"),
        ("\"size\": 5", "\"size\": 6"),
        ("\\n5\\n", "\\n6\\n"),
        ("\"actor\"", "\"aktor\""),
    ] {
        assert!(whole.contains(from), "{from}: {whole}");
        fs::write(&file, whole.replacen(from, to, 1)).unwrap();
        let (code, text) = alone(&[path, "--key", &key]);
        assert_eq!(code, 1, "{from}: {text}");
    }
    fs::write(&file, "{}").unwrap();
    assert_eq!(alone(&[path]).0, 1);
    assert_eq!(alone(&["/nowhere"]).0, 2);
}

#[tokio::test]
async fn a_kept_checkpoint_is_compared_with_later() {
    let place = place().await;
    let kept = place.data.path().join("kept.note");
    let said = place.replay(&["audit", "checkpoint"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    fs::write(&kept, &said.out).unwrap();
    let kept = kept.to_str().unwrap();
    for title in ["Laden", "Halle", "Turm"] {
        place.tie(title).await;
    }
    seal(&place).await;
    let said = place.replay(&["audit", "consistency", kept]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("consistent"), "{}", said.out);
    assert_eq!(place.replay(&["audit", "consistency", "5", "8"]).await.code, 0);
    assert_eq!(place.replay(&["audit", "consistency", "8", "5"]).await.code, 1);
    assert_eq!(place.replay(&["audit", "consistency", "5", "9"]).await.code, 1);
    let said = place.replay(&["audit", "verify", "--from", kept]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("read          3 events from position 6"), "{}", said.out);

    // The whole log is written anew and signed anew; the auditor's paper is not.
    attack(
        &place,
        "update events set recorded_at = recorded_at - interval '1 day' where position = 2;
         delete from seals; delete from audit_tiles",
    )
    .await;
    fs::remove_file(place.data.path().join("audit/checkpoints")).unwrap();
    seal(&place).await;
    assert_eq!(place.replay(&["audit", "verify"]).await.code, 0, "the database agrees with itself");
    let said = place.replay(&["audit", "consistency", kept]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("DIFFERENT"), "{}", said.out);
    assert_eq!(place.replay(&["audit", "verify", "--from", kept]).await.code, 1);
}

#[tokio::test]
async fn keys_are_changed_by_one_command() {
    let place = place().await;
    let (_, before) = place.json(&["audit", "keys", "list"]).await;
    let (code, rotated) = place.json(&["audit", "keys", "rotate", "--overlap", "30d"]).await;
    assert_eq!((code, &rotated["old_keys"][0]), (0, &before["keys"][0]["key"]));
    place.tie("Laden").await;
    seal(&place).await;
    let (code, document) = place.json(&["audit", "verify"]).await;
    assert_eq!((code, document["signed_by"].as_array().unwrap().len()), (0, 2), "{document}");
    let old = before["keys"][0]["key"].as_str().unwrap();
    assert_eq!(place.replay(&["audit", "verify", "--key", old]).await.code, 0);
    assert_eq!(place.replay(&["audit", "checkpoint"]).await.code, 0);
}

#[tokio::test]
async fn a_log_that_nobody_seals_says_so() {
    let place = Place::new().await;
    place.tie("Garten").await;
    let said = place.replay(&["audit", "verify"]).await;
    assert!(said.code == 0 && said.out.contains("nothing yet: does a sealer run?"), "{said:?}");
    for command in [
        &["audit", "checkpoint"][..],
        &["audit", "prove", "1"],
        &["audit", "scan"],
        &["audit", "keys", "rotate"],
    ] {
        assert_eq!(place.replay(command).await.code, 1, "{command:?}");
    }
    let said = place.replay(&["audit", "prove", "noid"]).await;
    assert_eq!(said.code, 2, "{said:?}");
}
