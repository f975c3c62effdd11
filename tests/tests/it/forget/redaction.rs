//! Redaction: what slipped into a plain field is gone from every store, the proofs hold, and nothing
//! else can change a stored event.

use std::process::Command;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{LEASE, stores::Own};
use crate::support::{Api, Installation, Reply, node};

const CANARY: &str = "Kanarienvogel Piepmatz 0815";
const TAG: &str = "wellensittichliebhaberei";

/// `replay …` with every right: code (`None` when killed), its answer, what it said.
fn replay(place: &Installation, arguments: &[&str], crash: Option<&str>) -> (Option<i32>, Value, String) {
    let mut command: Command = place.command("replay");
    command
        .arg("--json")
        .args(arguments)
        .envs([LEASE])
        .env("NATS_URL", place.nats.url_for(embedded::NatsUser::Admin))
        .current_dir(place.data.path());
    if let Some(crash) = crash {
        command.env("CRASH_AT", crash);
    }
    let output = command.output().unwrap();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), answer, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A node whose title nobody should have written; the event's id and position.
async fn tied(api: &Api, token: &str, id: Uuid, title: &str) -> (String, i64) {
    let reply: Reply = api.command(token, &format!("/v1/nodes/{id}/tie"), node(title)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let event = &reply.body["events"][0];
    assert_eq!(event["type"], "NodeTied");
    (event["event_id"].as_str().unwrap().to_owned(), event["position"].as_i64().unwrap())
}

/// payload, has salt, hash
async fn stored(place: &Installation, position: i64) -> (Value, bool, Vec<u8>) {
    sqlx::query_as("select payload, salt is not null, payload_hash from events where position = $1")
        .bind(position)
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap()
}

async fn count(place: &Installation, sql: &str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&place.log.owner_pool).await.unwrap()
}

async fn sealed(place: &Installation) {
    for _ in 0..100 {
        let unsealed =
            count(place, "select h.position - coalesce((select max(size) from seals), 0) from log_head h")
                .await;
        if unsealed == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("never sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_every_step_a_redaction_goes_on_and_happens_once() {
    let place = Installation::new().await;
    let api = place.api_with(&[LEASE]).await;
    let (_, ada) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    let (event, position) = tied(&api, &ada, id, CANARY).await;
    // Whatever else says so: a state kept aside, a read model as of the past.
    sqlx::query(
        "insert into snapshots (aggregate_id, aggregate_type, version, schema_version, state)
         values ($1, 'node', 1, 99, jsonb_build_object('title', $2))",
    )
    .bind(id)
    .bind(CANARY)
    .execute(&place.log.owner_pool)
    .await
    .unwrap();
    let shown = api.get_at(&format!("/v1/nodes/{id}"), &ada, position).await;
    assert_eq!(shown.body["title"], CANARY, "{shown:?}");
    let (code, answer, errors) =
        replay(&place, &["rebuild", "node_page", "--until", &position.to_string()], None);
    assert_eq!(code, Some(0), "{answer} {errors}");
    sealed(&place).await;
    let before = stored(&place, position).await;
    assert!(before.1);

    let arguments = ["redact", &event, "/title", "--reason", "a neighbour's name"];
    for step in
        ["log", "stream", "read-models", "past", "search", "caches", "snapshots", "pages", "wal", "scan"]
    {
        let (code, answer, errors) = replay(&place, &arguments, Some(&format!("redact.{step}")));
        assert_eq!(code, None, "{step} was not reached: {answer} {errors}");
    }
    let (code, done, errors) = replay(&place, &arguments, None);
    assert_eq!(
        (code, &done["gone"], &done["scan"]["needles"]),
        (Some(0), &json!(true), &json!(1)),
        "{done:#} {errors}"
    );
    assert_eq!(count(&place, "select count(*) from events where type = 'FieldRedacted'").await, 1);

    let (payload, salted, hash) = stored(&place, position).await;
    assert_eq!(payload["title"], json!({"$redacted": true}));
    assert_eq!(payload["tags"], before.0["tags"], "nothing else is touched");
    assert!(!salted, "a short value could be guessed");
    assert_eq!(hash, before.2, "proofs rest on it");
    for left in [
        "select count(*) from snapshots",
        "select count(*) from past_read_models",
        "select count(*) from projection_checkpoints where state <> 'live' and projection = 'node_page'",
        "select count(*) from redactions where fingerprints is not null",
    ] {
        assert_eq!(count(&place, left).await, 0, "{left}");
    }
    let shown = api.get(&format!("/v1/nodes/{id}"), &ada).await;
    assert_eq!(shown.body["title"], Value::Null, "{shown:?}");
    assert!(!shown.text.contains("Piepmatz"), "{shown:?}");
    // The command side does not know it any more either, and goes on.
    let revised = api.command(&ada, &format!("/v1/nodes/{id}/revise"), json!({"summary": "neu"})).await;
    assert_eq!(revised.status, 200, "{revised:?}");

    // Nobody calls it a difference.
    sealed(&place).await;
    let (code, verified, errors) = replay(&place, &["audit", "verify"], None);
    assert_eq!(code, Some(0), "{verified:#} {errors}");
    let redaction = &verified["redactions"][0];
    assert_eq!(redaction["position"], position);
    assert_eq!(redaction["reason"], "a neighbour's name");
    assert_eq!(redaction["pointers"], json!(["/title"]));
    assert!(redaction["redacted_by"].as_str().unwrap().starts_with("operator:"), "{redaction}");
    let (code, proof, errors) = replay(&place, &["audit", "prove", &position.to_string()], None);
    assert_eq!(code, Some(0), "{proof:#} {errors}");
    let (code, stream, errors) = replay(&place, &["stream", "verify"], None);
    assert_eq!(
        (code, &stream["redacted"], &stream["holes"]),
        (Some(0), &json!(1), &json!(0)),
        "{stream:#} {errors}"
    );
    let (code, models, errors) = replay(&place, &["verify"], None);
    assert_eq!(code, Some(0), "{models:#} {errors}");
    // Published anew the message is there, without the words and with the hash that stays.
    let (code, _, errors) = replay(&place, &["stream", "rebuild"], None);
    assert_eq!(code, Some(0), "{errors}");
    let (code, stream, _) = replay(&place, &["stream", "verify"], None);
    assert_eq!((code, &stream["redacted"]), (Some(0), &json!(0)), "{stream:#}");
    // Done is done.
    let (code, again, _) = replay(&place, &arguments, None);
    assert_eq!((code, &again["redaction"]), (Some(0), &done["redaction"]));
    assert_eq!(count(&place, "select count(*) from events where type = 'FieldRedacted'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_taken_out_stays_and_a_dry_run_does_nothing() {
    let place = Installation::new().await;
    let api = place.api_with(&[LEASE]).await;
    let (ada_id, ada) = api.person(&place, "Ada").await;
    let (event, position) = tied(&api, &ada, Uuid::now_v7(), CANARY).await;
    let before = stored(&place, position).await;
    let head = place.events().await;
    let registered = count(&place, "select min(position) from events where type = 'AccountRegistered'").await;
    let registered = registered.to_string();
    for (event, pointer, reason, why) in [
        (&*event, "/nothing", "x", "no such field"),
        (&*event, "/tags/7", "x", "no such field"),
        (&*event, "title", "x", "no such field"),
        (&*event, "/created_by", "x", "no reader could do without"),
        (&*event, "/location/lat", "x", "no reader could do without"),
        (&*event, "/title", "it says kanarienvogel piepmatz 0815", "repeats"),
        (&*registered, "/title", "x", "personal"),
        (&*registered, "/title/$sealed/box", "x", "personal"),
        ("4711", "/title", "x", "no event at position 4711"),
        ("01920000-0000-7000-8000-0000000000e1", "/title", "x", "no event"),
    ] {
        let (code, answer, errors) = replay(&place, &["redact", event, pointer, "--reason", reason], None);
        assert_eq!(code, Some(1), "{event} {pointer}: {answer} {errors}");
        assert!(errors.contains(why), "{event} {pointer}: {errors}");
        assert!(!errors.contains("Piepmatz"), "{errors}");
    }
    let (code, plan, errors) = replay(&place, &["redact", &event, "/title", "--dry-run"], None);
    assert_eq!((code, &plan["begun"]), (Some(0), &json!(false)), "{plan} {errors}");
    assert!(plan["read_models"].as_array().unwrap().contains(&json!("node_page")), "{plan}");
    assert!(!plan.to_string().contains("Piepmatz"));
    // A hold on whoever wrote it.
    let (code, ..) = replay(&place, &["hold", &ada_id.to_string(), "--reason", "court order 4711"], None);
    assert_eq!(code, Some(0));
    let (code, _, errors) = replay(&place, &["redact", &event, "/title", "--reason", "x"], None);
    assert_eq!(code, Some(1));
    assert!(errors.contains("legal hold"), "{errors}");
    let (code, plan, _) = replay(&place, &["redact", &event, "/title", "--dry-run"], None);
    assert_eq!((code, &plan["held"]), (Some(1), &json!(true)));
    assert_eq!(stored(&place, position).await, before);
    assert_eq!(place.events().await, head + 1, "the hold");
    assert_eq!(count(&place, "select count(*) from redactions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_redaction_itself_changes_a_stored_event() {
    let place = Installation::new().await;
    let api = place.api_with(&[LEASE]).await;
    let (_, ada) = api.person(&place, "Ada").await;
    let (event, position) = tied(&api, &ada, Uuid::now_v7(), CANARY).await;
    let before = stored(&place, position).await;
    let call = format!(
        "select redact_field(1, {position}, '{event}', '{{title}}', gen_random_uuid(), 0, gen_random_uuid(),
                             '{{\"event_id\": \"{event}\", \"new_hash\": \"00\"}}', '{{}}', '\\x00', '\\x00')"
    );
    let redacted = r#"jsonb_set(payload, '{title}', '{"$redacted": true}')"#;
    let setting = format!("select set_config('weltgewebe.redacting', '{event} {{title}}', false)");
    // The application's role: no right to the function, none to the table, whatever it sets.
    let mut app = place.log.log.pg().acquire().await.unwrap();
    sqlx::raw_sql(&setting).execute(&mut *app).await.unwrap();
    for sql in [
        call.clone(),
        format!("update events set payload = {redacted}, salt = null where position = {position}"),
        "insert into redactions (event_id, pointer, position) values (gen_random_uuid(), '/a', 1)".to_owned(),
        "delete from redaction_steps".to_owned(),
    ] {
        let error = sqlx::raw_sql(&sql).execute(&mut *app).await.expect_err(&sql);
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{sql}");
    }
    // The owner, who might: with the function's own setting nothing else than the field goes.
    let mut owner = place.log.owner_pool.acquire().await.unwrap();
    sqlx::raw_sql(&setting).execute(&mut *owner).await.unwrap();
    for change in [
        "payload = '{}', salt = null".to_owned(),
        format!("payload = {redacted}"),
        format!("payload = {redacted}, salt = null, payload_hash = '\\x00'"),
        format!("payload = {redacted}, salt = null, metadata = '{{}}'"),
        format!("payload = {redacted}, salt = null, recorded_at = now()"),
        r#"payload = jsonb_set(payload, '{title}', '"another"'), salt = null"#.to_owned(),
        r#"payload = jsonb_set(payload, '{kind}', '{"$redacted": true}'), salt = null"#.to_owned(),
    ] {
        let sql = format!("update events set {change} where position = {position}");
        let error = sqlx::raw_sql(&sql).execute(&mut *owner).await.expect_err(&sql);
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "WG003", "{sql}");
    }
    let other = position + 1;
    let sql = format!("update events set salt = null where position = {other}");
    assert!(sqlx::raw_sql(&sql).execute(&mut *owner).await.is_err());
    assert_eq!(stored(&place, position).await, before);
    // By force it can be done, and is found: no event says that it was redacted.
    sealed(&place).await;
    sqlx::raw_sql(&format!(
        "begin; set local session_replication_role = replica;
         update events set payload = {redacted}, salt = null where position = {position}; commit"
    ))
    .execute(&mut *owner)
    .await
    .unwrap();
    let (code, verified, _) = replay(&place, &["audit", "verify"], None);
    assert_eq!(code, Some(1), "{verified:#}");
    assert_eq!(verified["findings"][0]["kind"], "payload-changed", "{verified:#}");
    assert_eq!(verified["findings"][0]["from"], position, "{verified:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_redacted_is_in_no_byte_of_any_store() {
    let own = Own::start().await;
    let ada = Uuid::now_v7();
    let token = own.token(ada);
    own.post(
        &token,
        &format!("/v1/accounts/{ada}/register"),
        json!({"title": "Ada", "email": "ada@example.org"}),
    )
    .await;
    let mut events = Vec::new();
    for number in 0..40 {
        let id = Uuid::now_v7();
        let mut body = node(&format!("Werkstatt Nummer {number:03}"));
        if number == 20 {
            body["title"] = json!(CANARY);
            body["tags"] = json!(["thema:natur", TAG]);
        }
        let answer = own.post(&token, &format!("/v1/nodes/{id}/tie"), body).await;
        if number == 20 {
            events.push(answer["events"][0]["event_id"].as_str().unwrap().to_owned());
        }
    }
    let event = &events[0];
    let elsewhere = tempfile::Builder::new().prefix("wg-it-canaries-").tempdir().unwrap();
    let canaries = elsewhere.path().join("canaries.txt");
    std::fs::write(&canaries, format!("{CANARY}\n{TAG}\n")).unwrap();
    let (code, found) = own.scan(&canaries);
    assert_eq!(code, Some(1), "{found:#}");
    for store in ["postgres-log", "nats", "rows of the log"] {
        let of = found["stores"].as_array().unwrap().iter().find(|one| one["store"] == store);
        assert!(
            of.is_some_and(|one| one["hits"].as_u64() > Some(0)),
            "the negative control: {store} {found:#}"
        );
    }
    for pointer in ["/title", "/tags/1"] {
        let (code, done) = own.replay(&["redact", event, pointer, "--reason", "a neighbour"]);
        assert_eq!((code, &done["gone"]), (Some(0), &json!(true)), "{pointer}: {done:#}");
    }
    let (code, found) = own.scan(&canaries);
    assert_eq!((code, &found["hits"], &found["unread"]), (Some(0), &json!(0), &json!(0)), "{found:#}");
    let (code, verified) = own.replay(&["stream", "verify"]);
    assert_eq!((code, &verified["redacted"]), (Some(0), &json!(1)), "{verified:#}");
    let (code, verified) = own.replay(&["verify"]);
    assert_eq!(code, Some(0), "{verified:#}");
    let (code, verified) = own.replay(&["audit", "verify"]);
    assert_eq!(code, Some(0), "{verified:#}");
    assert_eq!(verified["redactions"][0]["pointers"], json!(["/title", "/tags/1"]), "{verified:#}");
}
