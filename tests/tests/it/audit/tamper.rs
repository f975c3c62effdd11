//! Every way to change the log as a superuser past the triggers: each is found, and where.

use std::fs;

use eventstore::{
    audit::{
        CheckpointNotes,
        verify::{Kind, Trust, Verification},
    },
    canonical::{canonical_text, payload_hash},
};
use serde_json::json;
use sqlx::Row;

use super::log::SealedLog;

const EVENTS: usize = 400;

async fn sealed() -> SealedLog {
    let log = SealedLog::new().await;
    log.append(EVENTS).await;
    log.seal().await.unwrap();
    assert!(log.verify().await.is_fine(), "before anything was changed");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_payload_is_found() {
    let log = sealed().await;
    log.attack("update events set payload = '{\"n\": 2}' where position = 77").await;
    let report = log.found(Kind::PayloadChanged).await;
    let first = report.first_divergence().unwrap();
    assert_eq!((first.from, first.to, report.differences), (Some(77), Some(77), 1));
    assert_ne!(first.expected, first.found);
    assert!(first.expected.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_payload_with_its_hash_made_right_is_found() {
    let log = sealed().await;
    let salt: Vec<u8> = sqlx::query("select salt from events where position = 77")
        .fetch_one(log.pool())
        .await
        .unwrap()
        .get(0);
    let hash = payload_hash(Some(&salt.try_into().unwrap()), &canonical_text("{\"n\":2}").unwrap());
    let hash = hex::encode(hash);
    log.attack(&format!(
        "update events set payload = '{{\"n\": 2}}', payload_hash = '\\x{hash}' where position = 77"
    ))
    .await;
    let report = log.found(Kind::EventChanged).await;
    assert_eq!((report.first_divergence().unwrap().from, report.differences), (Some(77), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_of_an_event_counts() {
    let log = sealed().await;
    for (position, change) in [
        (11, "recorded_at = recorded_at - interval '1 microsecond'"),
        (22, "type = 'ThingUndone'"),
        (33, "aggregate_type = 'other'"),
        (44, "event_id = gen_random_uuid()"),
        (55, "aggregate_id = gen_random_uuid()"),
        (66, "version = 2"),
        (77, "schema_version = 2"),
        (88, "metadata = metadata || '{\"actor\": \"01920000-0000-7000-8000-000000000001\"}'"),
        (99, "payload_hash = sha256(payload_hash)"),
        (110, "payload_hash = ''"),
        (121, "type = 'no name'"),
    ] {
        log.attack(&format!("update events set {change} where position = {position}")).await;
        let report = log.verify().await;
        let told = |finding: &eventstore::audit::verify::Finding| finding.from == Some(position);
        assert!(report.findings.iter().any(told), "{change}: {report:#?}");
    }
    let report = log.verify().await;
    assert_eq!(report.first_divergence().unwrap().from, Some(11));
    assert!(report.findings.iter().all(|one| one.from.unwrap() % 11 == 0), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_event_is_found() {
    let log = sealed().await;
    log.attack("delete from events where position in (200, 201, 300)").await;
    let report = log.found(Kind::EventMissing).await;
    let told: Vec<_> = report.findings.iter().map(|one| (one.kind, one.from, one.to)).collect();
    let missing = |from, to| (Kind::EventMissing, Some(from), Some(to));
    assert_eq!(told, [missing(200, 201), missing(300, 300)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_swapped_events_are_found() {
    let log = sealed().await;
    log.attack(
        "update events set position = 999999 where position = 120;
         update events set position = 120 where position = 121;
         update events set position = 121 where position = 999999",
    )
    .await;
    let report = log.found(Kind::EventChanged).await;
    let places: Vec<_> = report.findings.iter().map(|one| one.from.unwrap()).collect();
    assert_eq!(places, [120, 121]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inserted_event_is_found_behind_the_head_and_in_between() {
    let log = sealed().await;
    let copy =
        "insert into events select 401, 2, recorded_at, gen_random_uuid(), aggregate_id, schema_version,
                aggregate_type, type, payload, metadata, salt, payload_hash from events where position = 400";
    log.attack(copy).await;
    let report = log.found(Kind::EventBeyondHead).await;
    assert_eq!(report.first_divergence().unwrap().from, Some(401));
    // Everything behind place 250 moves on by one.
    log.attack(
        "update events set position = position + 1000000 where position >= 250;
         update events set position = position - 999999 where position > 1000000;
         insert into events select 250, 2, recorded_at, gen_random_uuid(), aggregate_id, schema_version,
                aggregate_type, type, payload, metadata, salt, payload_hash from events where position = 249;
         update log_head set position = 402",
    )
    .await;
    let report = log.found(Kind::EventChanged).await;
    assert_eq!(report.first_divergence().unwrap().from, Some(250));
    assert_eq!(report.differences, 151);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_tail_is_found() {
    let log = sealed().await;
    log.attack("delete from events where position > 350; update log_head set position = 350").await;
    let report = log.found(Kind::TailMissing).await;
    assert_eq!(report.first_divergence().unwrap().from, Some(351));
    // With the checkpoints over it dropped as well.
    log.attack("delete from seals where size > 300; delete from audit_tiles where index = 1").await;
    let report = log.found(Kind::TailMissing).await;
    let first = report.first_divergence().unwrap();
    assert_eq!((first.from, first.to), (Some(301), Some(400)), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_checkpoint_shown_as_the_newest_is_found() {
    let log = sealed().await;
    log.attack("delete from seals where size > 200").await;
    let report = log.found(Kind::CheckpointReplayed).await;
    let first = report.first_divergence().unwrap();
    assert_eq!((first.from, first.to), (Some(201), Some(400)));
    // Or put in the place of the newest one.
    let log = sealed().await;
    log.attack(
        "update seals s set size = o.size, root = o.root, note = o.note, leaves = o.leaves
         from seals o where s.number = 4 and o.number = 2",
    )
    .await;
    let report = log.verify().await;
    assert!(report.findings.iter().any(|one| one.kind == Kind::CheckpointBad), "{report:#?}");
    assert!(report.findings.iter().any(|one| one.kind == Kind::CheckpointReplayed), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_checkpoint_is_found() {
    let log = sealed().await;
    log.attack("update seals set root = sha256(root) where number = 3").await;
    let report = log.found(Kind::CheckpointBad).await;
    assert_eq!(report.first_divergence().unwrap().from, Some(201));
    log.attack("update seals set note = replace(note, '300', '301') where number = 3").await;
    let report = log.found(Kind::CheckpointBad).await;
    assert!(report.findings[0].sentence.contains("signature"), "{report:#?}");
    log.attack("delete from seals where number = 2").await;
    let report = log.verify().await;
    assert!(report.findings[0].sentence.contains("checkpoints 2 to 2 are missing"), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_and_its_stored_hash_changed_together_are_found_between_two_checkpoints() {
    let log = sealed().await;
    log.attack("update events set recorded_at = recorded_at - interval '1 day' where position = 150").await;
    let report = log.found(Kind::EventChanged).await;
    let found = report.first_divergence().unwrap().found.clone().unwrap();
    // Hash 149 of the first tile.
    log.attack(&format!(
        "update audit_tiles set hashes = overlay(hashes placing '\\x{found}'::bytea from {} for 32)
         where level = 0 and index = 0",
        149 * 32 + 1
    ))
    .await;
    let report = log.found(Kind::RootDiffers).await;
    let first = report.first_divergence().unwrap();
    assert_eq!((first.from, first.to), (Some(101), Some(200)), "{report:#?}");
    assert!(report.findings.iter().any(|one| one.kind == Kind::OutsideDiffers));
    assert_eq!(report.differences, 2);
}

/// Everything in the database is made right again, with the right key: only what is outside knows.
async fn rewritten() -> (SealedLog, CheckpointNotes) {
    let log = sealed().await;
    let kept = log.data.path().join("kept");
    fs::copy(log.path(), &kept).unwrap();
    log.attack(
        "update events set recorded_at = recorded_at - interval '1 day' where position = 150;
         delete from seals; delete from audit_tiles",
    )
    .await;
    fs::remove_file(log.path()).unwrap();
    log.seal().await.unwrap();
    (log, CheckpointNotes::at(kept))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_rewritten_and_signed_anew_is_found_by_the_file_outside() {
    let (log, kept) = rewritten().await;
    assert!(log.verify().await.is_fine(), "the database agrees with itself");
    let wish = |file| Verification { trust: Trust { pinned: vec![], file: Some(file) }, from: None };
    let report = log.verify_by(wish(kept.clone())).await;
    let first = report.first_divergence().unwrap();
    assert_eq!((first.kind, first.from, first.to), (Kind::OutsideDiffers, Some(101), Some(200)));
    assert!(first.expected.is_some() && first.expected != first.found);

    // Both in one file: what was signed twice differently shows without looking at any event.
    let both = fs::read_to_string(kept.path()).unwrap() + &fs::read_to_string(log.path()).unwrap();
    fs::write(kept.path(), both).unwrap();
    let report = log.verify_by(wish(kept)).await;
    assert!(report.findings.iter().any(|one| one.kind == Kind::SplitView), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_an_auditor_kept_finds_the_rewriting_too() {
    let (log, kept) = rewritten().await;
    let note = kept.last().unwrap().unwrap();
    let trust = Trust { pinned: log.keys().await, file: Some(log.file()) };
    let report = log.verify_by(Verification { trust, from: Some(note) }).await;
    let first = report.first_divergence().unwrap();
    assert_eq!((first.kind, first.to), (Kind::OutsideDiffers, Some(400)), "{report:#?}");
    assert_eq!(report.events_checked, 0, "everything is before the checkpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_kept_checkpoint_only_what_came_later_is_read() {
    let log = sealed().await;
    let kept = log.file().last().unwrap().unwrap();
    log.append(50).await;
    log.seal().await.unwrap();
    let wish =
        |pinned| Verification { trust: Trust { pinned, file: Some(log.file()) }, from: Some(kept.clone()) };
    let report = log.verify_by(wish(log.keys().await)).await;
    assert!(report.is_fine(), "{report:#?}");
    assert_eq!((report.checked_from, report.events_checked), (401, 50));
    log.attack("update events set version = 9 where position = 420").await;
    let report = log.verify_by(wish(log.keys().await)).await;
    assert_eq!(report.first_divergence().unwrap().from, Some(420));
}

/// As the redaction is to do it: the field's bytes and the salt go, an event says what is left.
async fn redact(log: &SealedLog, position: i64, left: &str, said: &str) {
    let id: uuid::Uuid = sqlx::query("select event_id from events where position = $1")
        .bind(position)
        .fetch_one(log.pool())
        .await
        .unwrap()
        .get(0);
    log.attack(&format!("update events set payload = '{left}', salt = null where position = {position}"))
        .await;
    let new_hash = hex::encode(payload_hash(None, &canonical_text(said).unwrap()));
    let mut request = crate::support::write(uuid::Uuid::now_v7(), 0);
    let mut event = crate::support::event(
        json!({"event_id": id, "pointer": "/n", "reason": "a name slipped in", "new_hash": new_hash}),
    );
    event.event_type = kernel::Name::constant(kernel::platform::FIELD_REDACTED);
    request.writes[0].events = vec![event];
    log.store.appender.append(request).await.unwrap();
    log.seal().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redaction_is_told_and_is_no_licence_to_rewrite_the_rest() {
    let log = sealed().await;
    let left = "{\"n\": {\"$redacted\": true}}";
    redact(&log, 42, left, left).await;
    let report = log.verify().await;
    assert!(report.is_fine(), "{report:#?}");
    let told = &report.redactions[0];
    assert_eq!(
        (told.position, told.redaction_position, told.pointers.as_slice()),
        (42, 401, &["/n".to_owned()][..])
    );
    assert_eq!((told.redacted_by.as_str(), told.reason.as_str()), ("system", "a name slipped in"));
    // More than the redaction said.
    log.attack("update events set payload = '{\"n\": {\"$redacted\": true}, \"m\": 1}' where position = 42")
        .await;
    let report = log.found(Kind::PayloadChanged).await;
    assert_eq!((report.first_divergence().unwrap().from, report.redactions.len()), (Some(42), 0));
    // Without any redaction.
    log.attack("update events set salt = null where position = 43").await;
    let report = log.verify().await;
    assert!(report.findings.iter().any(|one| one.from == Some(43)), "{report:#?}");
}
