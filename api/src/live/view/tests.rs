use std::{fs, path::Path};

use domain::catalogue;
use eventstore::keys::MemoryKeyStore;
use kernel::Name;
use serde_json::{json, value::RawValue};

use super::*;

/// Types of which nobody is told, and why. Whoever adds an event type decides: here or in the list
/// of what is shown.
const SILENT: &[&str] = &[
    // That something is held back for a court is its business.
    "HoldPlaced",
    "HoldReleased",
    // Where something was that should not be known.
    "FieldRedacted",
];

/// Every golden event of the domain.
fn fixtures() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/tests/fixtures");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            let payload = serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap();
            (name.split('.').next().unwrap().to_owned(), payload)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn recorded(event_type: &str, aggregate_type: &str, payload: &Value) -> RecordedEvent {
    let metadata = json!({
        "actor": Uuid::from_u128(2), "command": "a.b", "command_id": Uuid::from_u128(3),
        "correlation_id": Uuid::from_u128(3), "causation_id": Uuid::from_u128(3),
        "occurred_at": "2026-10-01T12:00:00.000Z", "roles": ["CANARY-role"],
    });
    let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
    RecordedEvent {
        position: 7,
        event_id: Uuid::from_u128(4),
        aggregate_type: Name::parse(aggregate_type.to_owned()).unwrap(),
        aggregate_id: Uuid::from_u128(5),
        version: 1,
        event_type: Name::parse(event_type.to_owned()).unwrap(),
        schema_version: 1,
        payload: raw(payload),
        metadata: raw(&metadata),
        recorded_at: DateTime::UNIX_EPOCH,
    }
}

fn about(audience: Audience) -> About {
    About {
        node: Some(Uuid::from_u128(5)),
        conversation: None,
        account: Some(Uuid::from_u128(9)),
        owner: None,
        places: [None; 2],
        audience,
    }
}

async fn told(event: &RecordedEvent, audience: Audience, latest: Version) -> Option<(Audience, Value)> {
    let sealer = Sealer::new(Arc::new(MemoryKeyStore::new().unwrap()));
    let latest = HashMap::from([(event.aggregate_id, latest)]);
    let events = render(std::slice::from_ref(event), &[about(audience)], &latest, &sealer).await.unwrap();
    let event = events.first()?;
    Some((event.audience, serde_json::from_slice(&event.json()).unwrap()))
}

/// Every text becomes a canary, every number 77; what stands in an envelope as well.
fn canaries(value: &mut Value, path: &str) {
    match value {
        Value::Object(object) => {
            object.iter_mut().for_each(|(key, value)| canaries(value, &format!("{path}/{key}")));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| canaries(value, path)),
        Value::Number(_) => *value = json!(77),
        Value::Bool(_) | Value::Null => {}
        Value::String(text) => *text = format!("CANARY{path}"),
    }
}

#[test]
fn every_event_type_was_decided_about() {
    for entry in catalogue() {
        let listed = ALLOWED.iter().filter(|rule| rule.event_type == entry.event_type).count();
        let silent = SILENT.iter().filter(|silent| **silent == entry.event_type).count();
        assert_eq!(listed + silent, 1, "{}: say in one of the lists who hears of it", entry.event_type);
    }
    for rule in ALLOWED {
        assert!(catalogue().iter().any(|entry| entry.event_type == rule.event_type), "{}", rule.event_type);
    }
}

#[tokio::test]
async fn nothing_but_the_listed_fields_leaves_the_house() {
    let mut looked_at = 0;
    for (event_type, mut payload) in fixtures() {
        let aggregate = catalogue().into_iter().find(|entry| entry.event_type == event_type).unwrap();
        canaries(&mut payload, "");
        payload["something_new"] = json!("CANARY/something_new");
        let event = recorded(&event_type, aggregate.aggregate_type.as_str(), &payload);
        let Some((_, document)) = told(&event, Audience::Everybody, 1).await else {
            assert!(SILENT.contains(&event_type.as_str()), "{event_type}");
            continue;
        };
        looked_at += 1;
        let rule = ALLOWED.iter().find(|rule| rule.event_type == event_type).unwrap();
        let data = document["data"].as_object().unwrap();
        for name in data.keys() {
            assert!(rule.fields.contains(&name.as_str()) || (rule.content && name == "content"), "{name}");
        }
        let mut rest = document.clone();
        rest["data"] = Value::Null;
        assert!(!rest.to_string().contains("CANARY"), "{event_type}: {rest}");
        for field in ["email", "public_position", "reason", "nonce", "box", "something_new"] {
            assert!(!document.to_string().contains(&format!("/{field}")), "{event_type}: {document}");
        }
        if event_type.starts_with("Account") {
            for field in ["title", "summary", "address", "location"] {
                assert!(!document.to_string().contains(&format!("/{field}")), "{event_type}: {document}");
            }
        }
    }
    assert!(looked_at >= catalogue().len() - SILENT.len());
}

#[tokio::test]
async fn a_sealed_field_is_never_copied_though_the_list_names_it() {
    let sealed = json!({"$sealed": {"box": "CANARY"}});
    let payload = json!({"title": sealed, "tags": ["a", {"$redacted": true}], "kind": {"x": sealed}});
    let event = recorded("NodeTied", "node", &payload);
    let (_, document) = told(&event, Audience::Everybody, 1).await.unwrap();
    assert!(!document.to_string().contains("CANARY"));
    assert_eq!(document["data"], json!({"title": null, "tags": ["a", null], "kind": {"x": null}}));
}

#[tokio::test]
async fn what_another_event_has_followed_says_only_that_it_happened() {
    for (event_type, payload) in fixtures() {
        let event = recorded(&event_type, "node", &payload);
        if let Some((_, document)) = told(&event, Audience::Everybody, 2).await {
            assert_eq!(document["data"], Value::Null, "{event_type}");
        }
    }
    let sealer = Sealer::new(Arc::new(MemoryKeyStore::new().unwrap()));
    let first = recorded("NodeTied", "node", &json!({"title": "before"}));
    let second = RecordedEvent {
        version: 2,
        position: 8,
        ..recorded("NodeRevised", "node", &json!({"title": "now"}))
    };
    let abouts = [about(Audience::Everybody); 2];
    let events = render(&[first, second], &abouts, &HashMap::new(), &sealer).await.unwrap();
    let shown: Vec<Value> = events.iter().map(|e| serde_json::from_slice(&e.json()).unwrap()).collect();
    assert_eq!((&shown[0]["data"], &shown[1]["data"]), (&Value::Null, &json!({"title": "now"})));
}

#[tokio::test]
async fn ears_are_those_of_the_node_or_of_the_account() {
    let owner = Audience::Only(Uuid::from_u128(6));
    let own = Audience::Only(Uuid::from_u128(9));
    for (event_type, payload) in fixtures() {
        let event = recorded(&event_type, "node", &payload);
        let Some((audience, _)) = told(&event, owner, 1).await else { continue };
        let expected = match ALLOWED.iter().find(|rule| rule.event_type == event_type).unwrap().ears {
            Ears::OfNode => owner,
            Ears::Own => own,
            Ears::Everybody => Audience::Everybody,
        };
        assert_eq!(audience, expected, "{event_type}");
        let hidden = told(&event, Audience::Nobody, 1).await;
        assert_eq!(hidden.is_none(), expected == owner, "{event_type}");
    }
}
