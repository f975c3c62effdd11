use std::sync::Arc;

use chrono::{DateTime, Utc};
use kernel::{Class, Envelope, Name, Personal, RecordedEvent};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

use super::{OpenError, OpenJob, Opened, SealError, SealJob, SealedField, Sealer};
use crate::{canonical::NotCanonical, keys::MemoryKeyStore};

const EVENT: Uuid = Uuid::from_u128(7);
const ADA: Uuid = Uuid::from_u128(0xADA);

fn sealer() -> Sealer {
    Sealer::new(Arc::new(MemoryKeyStore::new().unwrap()))
}

fn when() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn payload() -> Value {
    json!({
        "title": {"$personal": {"class": "identity", "subject": ADA, "value": "Ada"}},
        "where": [{"a/b~c": {"$personal": {"class": "location", "subject": ADA, "value": {"lat": 52.5, "lon": 8}}}}],
        "plain": {"kind": "garden", "n": 1},
        "gone": {"$redacted": true},
    })
}

async fn sealed(sealer: &Sealer) -> Value {
    let mut payload = payload();
    sealer.seal(EVENT, when(), &mut payload).await.unwrap();
    payload
}

async fn open(sealer: &Sealer, event: Option<Uuid>, value: &Value) -> Result<Value, OpenError> {
    let mut value = value.clone();
    sealer.open(&mut [OpenJob { event, value: &mut value }]).await.map(|()| value)
}

fn envelope(sealed: &Value) -> Envelope {
    serde_json::from_value(sealed["title"]["$sealed"].clone()).unwrap()
}

#[tokio::test]
async fn what_was_sealed_opens_as_the_kernel_reads_it() {
    let sealer = sealer();
    let sealed = sealed(&sealer).await;
    assert!(!sealed.to_string().contains("Ada") && !sealed.to_string().contains("52.5"));
    assert_eq!(sealed["plain"], payload()["plain"]);
    assert_eq!(sealed["where"][0]["a/b~c"]["$sealed"]["field"], "/where/0/a~1b~0c");

    let opened = open(&sealer, Some(EVENT), &sealed).await.unwrap();
    let title: Personal<String> = serde_json::from_value(opened["title"].clone()).unwrap();
    assert_eq!(title.value().unwrap(), "Ada");
    assert_eq!(serde_json::to_value(&title).unwrap(), sealed["title"], "it goes back as its envelope");
    assert_eq!(opened["where"][0]["a/b~c"]["$opened"]["value"], json!({"lat": 52.5, "lon": 8}));
    assert_eq!(opened["gone"], json!({"$redacted": true}));
}

#[tokio::test]
async fn every_part_of_an_envelope_is_bound() {
    let sealer = sealer();
    let good = sealed(&sealer).await;
    let changes: [(&str, Value); 6] = [
        ("event", json!(Uuid::from_u128(8))),
        ("field", json!("/summary")),
        ("subject", json!(Uuid::from_u128(0xB0B))),
        ("class", json!("contact")),
        ("nonce", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("box", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
    ];
    for (part, value) in changes {
        let mut bad = good.clone();
        bad["title"]["$sealed"][part] = value;
        let error = open(&sealer, None, &bad).await.unwrap_err();
        assert!(matches!(&error, OpenError::Tampered { .. }), "{part}: {error}");
        assert!(!error.to_string().contains("Ada"));
    }
    let mut other_key = good.clone();
    other_key["title"]["$sealed"]["key"] = good["where"][0]["a/b~c"]["$sealed"]["key"].clone();
    assert!(matches!(open(&sealer, None, &other_key).await, Err(OpenError::Tampered { .. })));
}

#[tokio::test]
async fn an_envelope_in_another_place_is_refused() {
    let sealer = sealer();
    let good = sealed(&sealer).await;
    let error = open(&sealer, Some(Uuid::from_u128(8)), &good).await.unwrap_err();
    assert!(matches!(error, OpenError::Tampered { event: EVENT, .. }));
    let moved = json!({"summary": good["title"]});
    let error = open(&sealer, Some(EVENT), &moved).await.unwrap_err();
    assert!(error.to_string().contains("`/title` of event 00000000-0000-0000-0000-000000000007"), "{error}");
    assert!(open(&sealer, None, &moved).await.is_ok(), "a snapshot may hold it anywhere");
}

#[tokio::test]
async fn a_malformed_envelope_is_refused() {
    let sealer = sealer();
    let good = sealed(&sealer).await;
    for bad in [
        json!({"a": {"$sealed": {}}}),
        json!({"a": {"$sealed": good["title"]["$sealed"], "more": 1}}),
        json!({"a": {"$opened": {"value": "Eve", "sealed": good["title"]["$sealed"]}}}),
        json!({"a": {"$erased": good["title"]["$sealed"]}}),
        json!({"a": {"$personal": {"class": "identity", "subject": ADA, "value": "Eve"}}}),
    ] {
        let error = open(&sealer, None, &bad).await.unwrap_err();
        assert!(matches!(&error, OpenError::Malformed { field } if field == "/a"), "{bad} {error}");
    }
}

#[tokio::test]
async fn an_erased_person_reads_as_erased_and_gets_nothing_new_sealed() {
    let sealer = sealer();
    let good = sealed(&sealer).await;
    sealer.keys().erase(ADA, &[Class::Identity]).await.unwrap();
    let opened = open(&sealer, Some(EVENT), &good).await.unwrap();
    assert_eq!(opened["title"], json!({"$erased": good["title"]["$sealed"]}));
    assert!(opened["where"][0]["a/b~c"].get("$opened").is_some(), "another class lives on");

    let mut next = payload();
    let error = sealer.seal(EVENT, when(), &mut next).await.unwrap_err();
    assert!(matches!(&error, SealError::Erased { subject: ADA, class: Class::Identity, .. }), "{error}");
    assert_eq!(next, payload(), "nothing was changed");
}

#[tokio::test]
async fn an_unknown_key_is_never_erased() {
    let good = sealed(&sealer()).await;
    let error = open(&sealer(), Some(EVENT), &good).await.unwrap_err();
    assert!(matches!(error, OpenError::UnknownKey { .. }), "{error}");
}

#[tokio::test]
async fn only_fresh_values_are_sealed() {
    let sealer = sealer();
    let good = sealed(&sealer).await;
    let envelope = &good["title"]["$sealed"];
    let cases = [
        (json!({"a": {"$sealed": envelope}}), "$sealed"),
        (json!({"a": {"$opened": {"value": 1, "sealed": envelope}}}), "$opened"),
        (json!({"a": {"$erased": envelope}}), "$erased"),
    ];
    for (mut bad, name) in cases {
        let error = sealer.seal(EVENT, when(), &mut bad).await.unwrap_err();
        assert!(
            matches!(&error, SealError::NotFresh { field, marker, .. } if field == "/a" && *marker == name),
            "{error}"
        );
    }
    let personal = json!({"class": "identity", "subject": ADA, "value": "Ada"});
    for mut bad in [
        json!({"a": {"$personal": personal, "b": 1}}),
        json!({"a": {"$personal": {"class": "identity", "subject": ADA}}}),
        json!({"a": {"$personal": {"class": "secret", "subject": ADA, "value": 1}}}),
        json!({"a": {"$personal": {"class": "identity", "subject": "Ada", "value": 1}}}),
        json!({"a": {"$personal": {"class": "identity", "subject": ADA, "value": {"$personal": personal}}}}),
    ] {
        let error = sealer.seal(EVENT, when(), &mut bad).await.unwrap_err();
        assert!(matches!(&error, SealError::Malformed { field, .. } if field == "/a"), "{bad} {error}");
    }
    let mut bad = json!({"a": {"$personal": {"class": "identity", "subject": ADA, "value": "A\0"}}});
    let error = sealer.seal(EVENT, when(), &mut bad).await.unwrap_err();
    assert!(matches!(&error, SealError::NotCanonical { error: NotCanonical::Nul(_), .. }), "{error}");
}

#[tokio::test]
async fn one_batch_seals_each_payload_for_its_own_event_and_year() {
    let sealer = sealer();
    let (mut first, mut second) = (payload(), payload());
    let next_year = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let other = Uuid::from_u128(9);
    let mut jobs = [
        SealJob { event_id: EVENT, occurred_at: when(), payload: &mut first },
        SealJob { event_id: other, occurred_at: next_year, payload: &mut second },
    ];
    sealer.seal_all(&mut jobs).await.unwrap();
    let (first, second) = (first["title"]["$sealed"].clone(), second["title"]["$sealed"].clone());
    assert_eq!(second["event"], json!(other));
    assert_ne!(first["key"], second["key"], "a key per year");
    assert_ne!(first["nonce"], second["nonce"]);
}

#[tokio::test]
async fn events_of_the_log_are_opened_in_place() {
    let sealer = sealer();
    let text = sealed(&sealer).await.to_string();
    let event = |id: Uuid, payload: &str| RecordedEvent {
        position: 1,
        event_id: id,
        aggregate_type: Name::constant("account"),
        aggregate_id: ADA,
        version: 1,
        event_type: Name::constant("AccountCreated"),
        schema_version: 1,
        payload: RawValue::from_string(payload.to_owned()).unwrap(),
        metadata: RawValue::from_string("{}".to_owned()).unwrap(),
        recorded_at: when(),
    };
    let mut events = [event(EVENT, &text), event(Uuid::from_u128(8), r#"{"kind":"plain"}"#)];
    sealer.open_events(&mut events).await.unwrap();
    assert!(events[0].payload.get().contains(r#""value":"Ada""#));
    assert_eq!(events[1].payload.get(), r#"{"kind":"plain"}"#);
    let mut wrong = [event(Uuid::from_u128(8), &text)];
    assert!(matches!(sealer.open_events(&mut wrong).await, Err(OpenError::Tampered { .. })));
    assert_eq!(wrong[0].payload.get(), text, "nothing was changed");
}

#[tokio::test]
async fn the_query_side_opens_an_envelope_only_for_its_column() {
    let sealer = sealer();
    let envelope = envelope(&sealed(&sealer).await);
    let field = |class, field_suffix| SealedField { envelope: &envelope, class, field_suffix };
    let good = field(Class::Identity, "/title");
    assert_eq!(sealer.open_field::<String>(good).await.unwrap(), Opened::Live("Ada".to_owned()));
    let answers = sealer
        .open_fields::<String>(&[field(Class::Content, "/title"), field(Class::Identity, "/summary"), good])
        .await
        .unwrap();
    assert!(matches!(answers[0], Err(OpenError::Tampered { .. })));
    assert!(matches!(answers[1], Err(OpenError::Tampered { .. })));
    assert!(answers[2].is_ok(), "its neighbours do not spoil it");
    assert!(matches!(sealer.open_field::<u32>(good).await, Err(OpenError::OtherType { .. })));
    sealer.keys().erase(ADA, &[Class::Identity]).await.unwrap();
    assert_eq!(sealer.open_field::<String>(good).await.unwrap(), Opened::Erased);
}
