//! Personal plaintext is nowhere but in the answer to who may see it.

use std::path::Path;

use domain::weave::conversation::{ConversationKind, conversation_id};
use serde_json::json;
use sqlx::{PgPool, Row};

use crate::support::{Installation, node};

const TITLE: &str = "Kanarienvogel Zwitscher";
const SUMMARY: &str = "singt Sopran im Quittenbaum";
const EMAIL: &str = "zwitscher.kanari@voliere.example";
const ADDRESS: &str = "Quittenweg 4711, Käfigstadt";
const TAG: &str = "sopranistin";
const SAID: &str = "Triller am Morgen im Quittenhof";
const LAT: f64 = 53.561_234_5;
const LON: f64 = 10.017_654_3;

/// Every form in which a canary could lie around.
fn canaries() -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = [TITLE, SUMMARY, EMAIL, ADDRESS, TAG, SAID]
        .into_iter()
        .map(|text| (text.to_owned(), text.as_bytes().to_vec()))
        .collect();
    for number in [LAT, LON] {
        found.push((format!("{number} as text"), number.to_string().into_bytes()));
        found.push((format!("{number} big-endian"), number.to_be_bytes().to_vec()));
        found.push((format!("{number} little-endian"), number.to_le_bytes().to_vec()));
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn hits_in(bytes: &[u8], place: &str) -> Vec<String> {
    canaries()
        .into_iter()
        .filter(|(_, needle)| contains(bytes, needle))
        .map(|(name, _)| format!("{name} in {place}"))
        .collect()
}

/// Every row of every table of a database, as text and in the binary form of its columns.
async fn hits_in_database(pool: &PgPool, name: &str) -> Vec<String> {
    let tables = sqlx::query(
        "select table_schema, table_name from information_schema.tables
         where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(!tables.is_empty());
    let mut found = vec![];
    for table in tables {
        let (schema, table): (String, String) = (table.get(0), table.get(1));
        let quoted = format!("\"{schema}\".\"{table}\"");
        let rows =
            sqlx::query(&format!("select t::text, record_send(t) from {quoted} t")).fetch_all(pool).await;
        for row in rows.unwrap() {
            let place = format!("{name}.{schema}.{table}");
            found.extend(hits_in(row.get::<String, _>(0).as_bytes(), &place));
            found.extend(hits_in(&row.get::<Vec<u8>, _>(1), &place));
        }
    }
    found
}

fn hits_in_files(folder: &Path, found: &mut Vec<String>, files: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            hits_in_files(&path, found, files);
        } else if let Ok(bytes) = std::fs::read(&path) {
            *files += 1;
            found.extend(hits_in(&bytes, &path.display().to_string()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_plaintext_is_in_no_table_no_stream_no_file_and_no_log_line_at_level_trace() {
    let place = Installation::new().await;
    let api = place.api_with(&[("LOG", "trace")]).await;
    let id = uuid::Uuid::now_v7();
    let token = place.token(id, "");
    let path = |command: &str| format!("/v1/accounts/{id}/{command}");
    let mut last = 0;
    for (command, body) in [
        ("register", json!({"title": TITLE, "email": EMAIL})),
        ("describe", json!({"summary": SUMMARY, "address": ADDRESS, "tags": [TAG]})),
        ("place", json!({"map_state": "radius", "radius_m": 500, "location": {"lat": LAT, "lon": LON}})),
        ("place", json!({"map_state": "not_on_map"})),
        ("place", json!({"map_state": "radius", "radius_m": 600})),
        ("change-email", json!({"email": format!("neu.{EMAIL}")})),
    ] {
        let reply = api.command_with(&token, &path(command), body, &[("Idempotency-Key", command)]).await;
        // The same key for the second `place` is another request: that is refused, not done.
        assert!(reply.status == 200 || reply.problem() == "key-reused", "{reply:?}");
        if reply.status == 200 {
            last = reply.position();
            assert!(hits_in(reply.text.as_bytes(), "a command's answer").is_empty());
        }
    }
    // Errors with personal input in them.
    let (_, other) = api.person(&place, "Bob").await;
    let other_id = uuid::Uuid::now_v7();
    let taken = place.token(other_id, "");
    for (token, path, body) in [
        (
            &taken,
            format!("/v1/accounts/{other_id}/register"),
            json!({"title": "B", "email": format!("neu.{EMAIL}")}),
        ),
        (&token, path("describe"), json!({"summary": format!("{SUMMARY}{}", "x".repeat(600))})),
        (&token, path("describe"), json!({"summary": SUMMARY, "wrong": TITLE})),
        (&token, path("change-email"), json!({"email": format!("{EMAIL} und mehr")})),
        (
            &token,
            path("place"),
            json!({"map_state": "radius", "location": {"lat": LAT, "lon": LON}, "radius_m": 1}),
        ),
    ] {
        let reply = api.command(token, &path, body).await;
        assert!(reply.status >= 400, "{reply:?}");
        assert_eq!(hits_in(reply.text.as_bytes(), "an error"), Vec::<String>::new());
    }
    let node_id = uuid::Uuid::now_v7();
    api.command(&other, &format!("/v1/nodes/{node_id}/tie"), node("Garten")).await;
    let talk = conversation_id(ConversationKind::Node, node_id);
    let said = format!("/v1/messages/{}/post", uuid::Uuid::now_v7());
    let said = api.command(&token, &said, json!({"conversation_id": talk, "content": SAID})).await;
    assert_eq!(said.status, 200, "{said:?}");
    for path in [
        format!("/v1/conversations/{talk}/messages"),
        "/v1/activity".to_owned(),
        format!("/v1/threads?node={node_id}"),
    ] {
        let shown = api.get_at(&path, "", said.position()).await;
        assert!(!shown.text.contains("53.5612345") && !shown.text.contains("10.0176543"), "{shown:?}");
        assert_eq!(shown.text.contains(SAID), path.ends_with("/messages"), "{shown:?}");
    }

    // Whoever may see it sees it …
    let own = api.get_at(&format!("/v1/accounts/{id}"), &token, last).await;
    assert!(own.text.contains(TITLE) && own.text.contains(SUMMARY), "{own:?}");
    // … a stranger sees no contact and no anchor.
    let public = api.get_at(&format!("/v1/accounts/{id}"), "", said.position()).await;
    assert!(public.text.contains(TITLE) && !public.text.contains(SAID));
    for secret in [ADDRESS, EMAIL] {
        assert!(!public.text.contains(secret), "{public:?}");
    }
    assert!(!public.text.contains("53.5612345") && !public.text.contains("10.0176543"), "{public:?}");

    // Stream and read models have everything now; look at every byte.
    wait_for_stream(&place, said.position()).await;
    let mut found = hits_in_database(&place.log.owner_pool, "log").await;
    found.extend(hits_in_database(&place.keys.owner_pool, "keys").await);
    found.extend(hits_in(api.log().as_bytes(), "the process's log"));
    let mut files = 0;
    hits_in_files(place.nats.folder.path(), &mut found, &mut files);
    hits_in_files(place.data.path(), &mut found, &mut files);
    assert!(files > 3, "nothing was looked at");
    assert!(api.log().lines().count() > 10, "level trace says more than this");
    for user in [embedded::NatsUser::App, embedded::NatsUser::Relay] {
        let password = place.nats.cluster.endpoints().nats.users.password(user).to_owned();
        assert!(!api.log().contains(&password), "a password in the log");
    }
    assert_eq!(found, Vec::<String>::new());
}

async fn wait_for_stream(place: &Installation, position: i64) {
    for _ in 0..200 {
        let at: Option<i64> = sqlx::query_scalar("select max(position) from outbox")
            .fetch_one(&place.log.owner_pool)
            .await
            .unwrap();
        if at.unwrap_or(0) >= position {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the relay never came to {position}");
}

/// Negative control: the scan finds what is there.
#[tokio::test(flavor = "multi_thread")]
async fn the_scan_finds_a_canary_as_text_and_as_number() {
    let place = Installation::new().await;
    sqlx::raw_sql(
        "create table leak (a text, b float8); insert into leak values ('zwitscher.kanari@voliere.example', 53.5612345)",
    )
    .execute(&place.log.owner_pool)
    .await
    .unwrap();
    let found = hits_in_database(&place.log.owner_pool, "log").await;
    assert!(found.iter().any(|hit| hit.contains("@voliere")), "{found:?}");
    assert!(found.iter().any(|hit| hit.contains("big-endian")), "{found:?}");
    std::fs::write(place.data.path().join("leak"), LON.to_le_bytes()).unwrap();
    let (mut found, mut files) = (vec![], 0);
    hits_in_files(place.data.path(), &mut found, &mut files);
    assert!(found.iter().any(|hit| hit.contains("little-endian")), "{found:?}");
}
