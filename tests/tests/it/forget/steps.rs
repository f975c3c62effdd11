//! The workflow: killed after every step it finishes, held it waits, failing it says so.

use kernel::{Clock, ManualClock, SystemClock};
use serde_json::{Value, json};
use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

use super::{LEASE, canary, until};
use crate::support::{Api, Installation, node};

/// `replay forget …`: code (`None` when killed), its answer, what it said.
fn replay(place: &Installation, arguments: &[&str], crash: Option<&str>) -> (Option<i32>, Value, String) {
    let mut command: Command = place.command("replay");
    command
        .arg("--json")
        .args(arguments)
        .envs([LEASE])
        .env("NATS_URL", place.nats.url_for(embedded::NatsUser::App))
        .current_dir(place.data.path());
    if let Some(crash) = crash {
        command.env("CRASH_AT", crash);
    }
    let output = command.output().unwrap();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), answer, String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn count(place: &Installation, event_type: &str) -> i64 {
    sqlx::query_scalar("select count(*) from events where type = $1")
        .bind(event_type)
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap()
}

async fn alive(place: &Installation, account: Uuid) -> i64 {
    sqlx::query_scalar("select count(*) from keys.subject_keys where subject = $1 and wrapped is not null")
        .bind(account)
        .fetch_one(&place.keys.keys_owner_pool)
        .await
        .unwrap()
}

/// Reads, relays and projects, but works on no request: whatever is done, the killed one did.
async fn without_worker(place: &Installation) -> Api {
    place.api_with(&[("ROLES", "command,query,relay,projector"), LEASE]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_every_step_it_goes_on_and_everything_happens_once() {
    let place = Installation::new().await;
    let api = without_worker(&place).await;
    let (ada_id, ada, _) = canary(&place, &api, 1).await;
    let tied = api.command(&ada, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("Garten")).await;
    assert_eq!(tied.status, 200, "{tied:?}");
    let id = ada_id.to_string();
    let arguments = ["forget", &id, "--reason", "a letter of 3 May"];
    for step in [
        "hold",
        "collect",
        "restrict",
        "ledger",
        "shred",
        "lease",
        "record",
        "unbind",
        "read-models",
        "search",
        "redis",
        "leftovers",
        "verify",
        "scan",
        "certificate",
    ] {
        let (code, answer, errors) = replay(&place, &arguments, Some(&format!("forget.{step}")));
        assert_eq!(code, None, "{step} was not reached: {answer} {errors}");
    }
    let (code, answer, errors) = replay(&place, &arguments, None);
    assert_eq!(code, Some(0), "{answer:#} {errors}");
    assert_eq!((&answer["erased"], &answer["state"]), (&json!(true), &json!("provisional")));
    for (event_type, times) in
        [("ForgetRequested", 1), ("AccountLeft", 1), ("PersonForgotten", 1), ("NodeCreatorUnbound", 1)]
    {
        assert_eq!(count(&place, event_type).await, times, "{event_type}");
    }
    assert_eq!(alive(&place, ada_id).await, 0);
    let ledger = std::fs::read_to_string(place.data.path().join("forget-ledger.jsonl")).unwrap();
    assert_eq!(ledger.lines().count(), 1, "{ledger}");
    let reservations: i64 = sqlx::query_scalar("select count(*) from reservations where owner = $1")
        .bind(ada_id)
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
    assert_eq!(reservations, 0);

    // The certificate, offline, and a changed one.
    let file = place.data.path().join(answer["certificate"].as_str().unwrap());
    let path = file.display().to_string();
    let key = place.data.path().join("keys/certificate.pub").display().to_string();
    let verified = place.replay(&["forget", "verify", &path, "--key", &key]);
    assert_eq!(verified.0, 0, "{verified:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&id) && !text.contains("Kanarienvogel") && !text.contains("letter"), "{text}");
    std::fs::write(&file, text.replacen("\"hits\": 0", "\"hits\": 1", 1).replacen("erase", "keep", 1))
        .unwrap();
    let changed = place.replay(&["forget", "verify", &path]);
    assert_eq!(changed.0, 1, "{changed:?}");
    // Done is done: the same again gives the same certificate.
    let (code, again, _) = replay(&place, &arguments, None);
    assert_eq!((code, &again["request"]), (Some(0), &answer["request"]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// `api` with every role, which works on requests, until it dies at a point.
fn dies_at(place: &Installation, point: &str) -> Option<i32> {
    let mut child = place
        .command("api")
        .arg("serve")
        .envs([LEASE, ("PORT", "0"), ("LOG", "error"), ("CRASH_AT", point)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..600 {
        if let Some(status) = child.try_wait().unwrap() {
            return status.signal();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_the_second_scan_and_at_the_last_certificate_it_becomes_final() {
    let place = Installation::new().await;
    let api = without_worker(&place).await;
    let (ada_id, ..) = canary(&place, &api, 5).await;
    let (code, answer, errors) = replay(&place, &["forget", &ada_id.to_string(), "--reason", "x"], None);
    assert_eq!((code, &answer["state"]), (Some(0), &json!("provisional")), "{answer} {errors}");
    // A day later.
    sqlx::raw_sql("update forget_requests set due_at = 'epoch'")
        .execute(&place.log.owner_pool)
        .await
        .unwrap();
    for step in ["second-scan", "final-certificate"] {
        assert_eq!(dies_at(&place, &format!("forget.{step}")), Some(6), "{step} was not reached");
    }
    let _worker = place.api_with(&[LEASE]).await;
    for _ in 0..600 {
        let sql = "select state from forget_requests where account = $1";
        let state: String =
            sqlx::query_scalar(sql).bind(ada_id).fetch_one(&place.log.owner_pool).await.unwrap();
        if state == "final" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never became final");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_waits_and_a_hold_wins_also_in_the_last_moment() {
    let place = Installation::new().await;
    let api = without_worker(&place).await;
    let (ada_id, ada, _) = canary(&place, &api, 2).await;
    let id = ada_id.to_string();
    let (code, _, errors) = replay(&place, &["hold", &id, "--reason", "court order 4711"], None);
    assert_eq!(code, Some(0), "{errors}");
    let (code, plan, _) = replay(&place, &["forget", &id, "--dry-run"], None);
    assert_eq!((code, &plan["held"]), (Some(1), &json!(true)));
    assert_eq!(count(&place, "ForgetRequested").await, 0, "a dry run asks for nothing");
    let arguments = ["forget", &id, "--reason", "a letter"];
    let (code, held, _) = replay(&place, &arguments, None);
    assert_eq!((code, &held["state"], &held["erased"]), (Some(1), &json!("held"), &json!(false)), "{held}");
    let kept = alive(&place, ada_id).await;
    assert!(kept >= 3);
    // Waiting, the person is not even hidden.
    let shown = api.get(&format!("/v1/accounts/{ada_id}"), &ada).await;
    assert_eq!(shown.body["title"], "Kanarienvogel Nummer 00002", "{shown:?}");
    let (code, _, errors) = replay(&place, &["release", &id, "--reason", "lifted"], None);
    assert_eq!(code, Some(0), "{errors}");
    // Placed again after the check and before the keys go: the key store itself refuses.
    let (code, ..) = replay(&place, &arguments, Some("forget.restrict"));
    assert_eq!(code, None);
    let (code, ..) = replay(&place, &["hold", &id, "--reason", "court order 4712"], None);
    assert_eq!(code, Some(0));
    let (code, held, errors) = replay(&place, &arguments, None);
    assert_eq!((code, &held["state"]), (Some(1), &json!("held")), "{held} {errors}");
    assert_eq!(alive(&place, ada_id).await, kept);
    replay(&place, &["release", &id, "--reason", "lifted"], None);
    let (code, done, errors) = replay(&place, &arguments, None);
    assert_eq!((code, &done["erased"]), (Some(0), &json!(true)), "{done} {errors}");
    let (code, ..) = replay(&place, &["hold", &id, "--reason", "too late"], None);
    assert_eq!(code, Some(1), "there is nothing left to hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_found_is_told_and_is_not_erased_until_it_is_gone() {
    let place = Installation::new().await;
    let api = without_worker(&place).await;
    let (ada_id, _, values) = canary(&place, &api, 3).await;
    // A log line of the old days.
    let stray = place.data.path().join("old.log");
    std::fs::write(&stray, format!("welcome {}!", values[0])).unwrap();
    let id = ada_id.to_string();
    let (code, answer, errors) = replay(&place, &["forget", &id, "--reason", "x", "--patience", "15s"], None);
    assert_eq!(
        (code, &answer["erased"], &answer["state"]),
        (Some(1), &json!(false), &json!("failing")),
        "{errors}"
    );
    let problem = answer["problem"].as_str().unwrap();
    assert!(problem.contains("not erased") && problem.contains("old.log at byte 8"), "{problem}");
    assert!(!problem.contains("Kanarienvogel"), "{problem}");
    // Nor where a table holds it, compressed or not.
    std::fs::remove_file(&stray).unwrap();
    sqlx::raw_sql(&format!(
        "create table stray as select repeat('{} ', 400) as t; grant select on stray to weltgewebe_runtime",
        values[3]
    ))
    .execute(&place.log.owner_pool)
    .await
    .unwrap();
    let (code, answer, _) = replay(&place, &["forget", &id, "--reason", "x", "--patience", "15s"], None);
    assert_eq!(code, Some(1), "{answer}");
    assert!(answer["problem"].as_str().unwrap().contains("public.stray"), "{answer}");
    sqlx::raw_sql("drop table stray").execute(&place.log.owner_pool).await.unwrap();
    let (code, answer, errors) = replay(&place, &["forget", &id, "--reason", "x"], None);
    assert_eq!((code, &answer["erased"]), (Some(0), &json!(true)), "{answer} {errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_certificate_over_what_nobody_may_look_at() {
    let place = Installation::new().await;
    let api = without_worker(&place).await;
    let (ada_id, ..) = canary(&place, &api, 6).await;
    sqlx::raw_sql("create table hidden (t text)").execute(&place.log.owner_pool).await.unwrap();
    let id = ada_id.to_string();
    // An installation in which nobody told the owner's login.
    let as_the_application = || {
        let output = place
            .command("replay")
            .args(["--json", "forget", &id, "--reason", "x", "--patience", "20s"])
            .envs([LEASE])
            .env("NATS_URL", place.nats.url_for(embedded::NatsUser::App))
            .env_remove("OWNER_DATABASE_URL")
            .current_dir(place.data.path())
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), answer, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, answer, errors) = as_the_application();
    assert_eq!((code, &answer["erased"]), (Some(1), &json!(false)), "{answer} {errors}");
    let problem = answer["problem"].as_str().unwrap();
    assert!(problem.contains("not readable") && problem.contains("public.hidden"), "{problem}");
    assert_eq!(problem.matches("not readable").count(), 1, "everything else can be looked at: {problem}");
    // The owner may.
    let (code, answer, errors) = replay(&place, &["forget", &id, "--reason", "x"], None);
    assert_eq!((code, &answer["erased"]), (Some(0), &json!(true)), "{answer} {errors}");
    let text =
        std::fs::read_to_string(place.data.path().join(answer["certificate"].as_str().unwrap())).unwrap();
    assert!(!text.contains("skipped"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_becomes_final_by_a_second_scan_a_day_later() {
    let place = Installation::new().await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let (api, running) = place.api_on(Arc::clone(&clock)).await;
    let (ada_id, ada, _) = canary(&place, &api, 4).await;
    let asked = api.command(&ada, &format!("/v1/accounts/{ada_id}/forget"), json!({})).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let request = asked.body["request"].clone();
    let first = until(&api, &ada, &request, &["provisional"]).await;
    assert_eq!(first.body["certificate"]["finality"], "provisional");
    let prints = async || {
        let sql = "select fingerprints is not null from forget_requests where account = $1";
        sqlx::query_scalar::<_, bool>(sql).bind(ada_id).fetch_one(&place.log.owner_pool).await.unwrap()
    };
    assert!(prints().await);
    clock.advance(chrono::TimeDelta::hours(23));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    // Her token is from yesterday.
    let ada = place.token_for(ada_id, "", "30d");
    let early = until(&api, &ada, &request, &["provisional"]).await;
    assert_eq!(early.body["certificate"]["finality"], "provisional", "not before a day is over");
    clock.advance(chrono::TimeDelta::hours(2));
    let last = until(&api, &ada, &request, &["final"]).await;
    assert_eq!(last.body["certificate"]["finality"], "final");
    assert!(!prints().await, "nothing is kept that the values could be known by");
    running.stop().await.unwrap();
}
