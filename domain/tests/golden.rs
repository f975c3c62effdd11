//! What is stored stays readable forever: one golden payload per (event type, schema version)
//! under `fixtures/<EventType>.v<version>[.<variant>].json`, personal fields as they are stored.
//! A fixture is never edited once its event type is in use; a new shape is a new version.

// The helpers here are test code, too: a panic is how they say no.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeMap, fs, path::Path};

use domain::{
    Aggregate, EventPayload, catalogue,
    platform::{person::Person, redaction::Redaction},
    weave::{account::Account, conversation::Conversation, message::Message, node::Node},
};
use kernel::Undecodable;
use serde_json::{Value, json};

/// Leaves outside of `$sealed`, and why each may be in the log for good.
/// `*` stands for any place in a list. Whoever adds one answers: is it about a person?
const REVIEWED_PLAIN: &[(&str, &str, &str)] = &[
    ("AccountRegistered", "/role", "enum"),
    ("AccountPlaced", "/map_state", "enum; says nothing about where"),
    ("AccountPlaced", "/radius_m", "coarseness chosen, no place"),
    ("AccountPromoted", "/from", "enum"),
    ("AccountPromoted", "/to", "enum"),
    ("AccountPromoted", "/proposal_id", "random id"),
    ("NodeTied", "/title", "public community content, redactable"),
    ("NodeTied", "/kind", "public community content, redactable"),
    ("NodeTied", "/address", "the node's place, not a person's; redactable"),
    ("NodeTied", "/location/lat", "the node's place, not a person's; redactable"),
    ("NodeTied", "/location/lon", "the node's place, not a person's; redactable"),
    ("NodeTied", "/summary", "public community content, redactable"),
    ("NodeTied", "/info", "public community content, redactable"),
    ("NodeTied", "/tags/*", "public community content, redactable"),
    ("NodeTied", "/search_visibility", "enum"),
    ("NodeTied", "/created_by", "pseudonymous id"),
    ("NodeTied", "/conversation_id", "derived from the node's id"),
    ("NodeRevised", "/title", "public community content, redactable"),
    ("NodeRevised", "/kind", "public community content, redactable"),
    ("NodeRevised", "/address", "the node's place, not a person's; redactable"),
    ("NodeRevised", "/location/lat", "the node's place, not a person's; redactable"),
    ("NodeRevised", "/location/lon", "the node's place, not a person's; redactable"),
    ("NodeRevised", "/summary", "public community content, redactable"),
    ("NodeRevised", "/info", "public community content, redactable"),
    ("NodeRevised", "/tags/*", "public community content, redactable"),
    ("NodeVisibilityChanged", "/from", "enum"),
    ("NodeVisibilityChanged", "/to", "enum"),
    ("NodeRemoved", "/last_title", "public community content, redactable"),
    ("ConversationOpened", "/conversation_id", "derived from the subject's id"),
    ("ConversationOpened", "/kind", "enum"),
    ("ConversationOpened", "/subject_id", "id of a node"),
    ("MessagePosted", "/conversation_id", "derived from the subject's id"),
    ("MessagePosted", "/author_id", "pseudonymous id"),
    ("MessageTombstoned", "/by", "pseudonymous id"),
    ("ForgetRequested", "/account_id", "pseudonymous id"),
    ("ForgetRequested", "/request_id", "derived from the account's id"),
    ("ForgetRequested", "/content", "enum"),
    ("PersonForgotten", "/account_id", "pseudonymous id"),
    ("PersonForgotten", "/classes/*", "enum"),
    ("HoldPlaced", "/account_id", "pseudonymous id"),
    ("HoldReleased", "/account_id", "pseudonymous id"),
    ("FieldRedacted", "/event_id", "random id"),
    ("FieldRedacted", "/pointer", "names a field, no value"),
    ("FieldRedacted", "/reason", "an operator's words for auditors; refused when the value stands in it"),
    ("FieldRedacted", "/new_hash", "a hash of what is left"),
    ("FieldRedacted", "/operator", "the login that did it, as in the access log"),
];

struct Fixture {
    event_type: String,
    version: i32,
    variant: Option<String>,
    payload: Value,
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            let parts: Vec<_> = name.strip_suffix(".json").unwrap().split('.').collect();
            Fixture {
                event_type: parts[0].to_owned(),
                version: parts[1].strip_prefix('v').unwrap().parse().unwrap(),
                variant: parts.get(2).map(|variant| (*variant).to_owned()),
                payload: serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap(),
            }
        })
        .collect();
    found.sort_by(|a, b| (&a.event_type, a.version, &a.variant).cmp(&(&b.event_type, b.version, &b.variant)));
    found
}

/// Decodes as the aggregate that owns the type does, and encodes again.
fn round_trip(event_type: &str, version: i32, payload: &Value) -> Result<Value, Undecodable> {
    fn of<A: Aggregate>(event_type: &str, version: i32, payload: &str) -> Result<Value, Undecodable> {
        let event = A::Event::from_payload(event_type, version, payload)?;
        assert_eq!(event.event_type().as_str(), event_type);
        assert_eq!(event.schema_version(), version);
        Ok(event.to_payload())
    }
    let entry = catalogue().into_iter().find(|entry| entry.event_type == event_type).unwrap();
    let decode = match entry.aggregate_type.as_str() {
        "account" => of::<Account>,
        "node" => of::<Node>,
        "conversation" => of::<Conversation>,
        "message" => of::<Message>,
        "person" => of::<Person>,
        "redaction" => of::<Redaction>,
        other => panic!("teach this test to decode events of `{other}`"),
    };
    decode(event_type, version, &payload.to_string())
}

#[test]
fn every_event_type_has_a_golden_fixture_and_every_fixture_an_event_type() {
    let fixtures = fixtures();
    for entry in catalogue() {
        assert!(
            fixtures.iter().any(|f| f.event_type == entry.event_type
                && f.version == entry.schema_version
                && f.variant.is_none()),
            "no fixture for {} version {}",
            entry.event_type,
            entry.schema_version
        );
    }
    for fixture in fixtures {
        assert!(
            catalogue().iter().any(|entry| entry.event_type == fixture.event_type),
            "{} is a fixture of no known type: stored events of it could not be read",
            fixture.event_type
        );
    }
}

#[test]
fn every_fixture_decodes_and_encodes_to_the_same_json() {
    for Fixture { event_type, version, variant, payload } in fixtures() {
        let again = round_trip(&event_type, version, &payload).unwrap();
        assert_eq!(again, payload, "{event_type} v{version} {variant:?}");
    }
}

#[test]
fn the_minimal_variant_leaves_out_every_optional_field() {
    let fixtures = fixtures();
    let minimal: BTreeMap<_, _> = fixtures
        .iter()
        .filter(|f| f.variant.as_deref() == Some("minimal"))
        .map(|f| ((&f.event_type, f.version), &f.payload))
        .collect();
    for Fixture { event_type, version, payload, .. } in fixtures.iter().filter(|f| f.variant.is_none()) {
        for field in payload.as_object().unwrap().keys() {
            let mut without = payload.clone();
            without.as_object_mut().unwrap().remove(field);
            if round_trip(event_type, *version, &without).is_ok() {
                let minimal = minimal.get(&(event_type, *version));
                let minimal = minimal.unwrap_or_else(|| panic!("{event_type} needs a minimal fixture"));
                assert!(minimal.get(field).is_none(), "{event_type}: {field} is optional");
            }
        }
    }
}

#[test]
fn fields_that_a_newer_process_adds_are_ignored() {
    for Fixture { event_type, version, payload, .. } in fixtures() {
        let mut newer = payload.clone();
        newer["added_later"] = json!({"any": ["shape"]});
        assert_eq!(round_trip(&event_type, version, &newer).unwrap(), payload, "{event_type}");
    }
}

#[test]
fn an_unknown_type_or_version_is_undecodable_and_the_message_quotes_no_content() {
    type Events = <Node as Aggregate>::Event;
    assert!(Events::from_payload("NodeEaten", 1, "{}").is_err());
    assert!(Events::from_payload("NodeTied", 2, "{}").is_err());
    let error = Events::from_payload("NodeRemoved", 1, r#"{"last_title":["a secret"]}"#).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(error.to_string().contains("NodeRemoved"), "{error}");
}

/// Every leaf with its JSON pointer; sealed fields with their envelope's own account of it.
fn leaves(pointer: &str, value: &Value, plain: &mut Vec<String>, sealed: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => match fields.get("$sealed") {
            Some(envelope) => sealed.push((pointer.to_owned(), envelope.clone())),
            None if fields.contains_key("$redacted") => {}
            None => {
                for (name, field) in fields {
                    leaves(&format!("{pointer}/{name}"), field, plain, sealed);
                }
            }
        },
        Value::Array(items) => {
            for item in items {
                leaves(&format!("{pointer}/*"), item, plain, sealed);
            }
        }
        Value::Null => {}
        Value::String(_) | Value::Number(_) | Value::Bool(_) => plain.push(pointer.to_owned()),
    }
}

#[test]
fn no_text_is_plain_in_the_log_unless_it_was_reviewed() {
    let mut seen = Vec::new();
    for Fixture { event_type, payload, .. } in fixtures() {
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        leaves("", &payload, &mut plain, &mut sealed);
        for pointer in plain {
            let reviewed =
                REVIEWED_PLAIN.iter().any(|(t, p, why)| *t == event_type && *p == pointer && !why.is_empty());
            assert!(reviewed, "{event_type} {pointer}: neither Personal nor reviewed");
            seen.push((event_type.clone(), pointer));
        }
        for (pointer, envelope) in sealed {
            assert_eq!(envelope["field"], pointer, "{event_type}");
        }
    }
    for (event_type, pointer, _) in REVIEWED_PLAIN {
        let used = seen.iter().any(|(t, p)| t == event_type && p == pointer);
        assert!(used, "{event_type} {pointer} is reviewed but in no fixture");
    }
}

/// Negative control of the review above.
#[test]
fn the_review_sees_a_personal_field_that_is_not_sealed() {
    let (mut plain, mut sealed) = (Vec::new(), Vec::new());
    leaves("", &json!({"email": "ada@b.example", "tags": ["x"]}), &mut plain, &mut sealed);
    assert_eq!(plain, ["/email", "/tags/*"]);
    assert!(!REVIEWED_PLAIN.iter().any(|(t, p, _)| *t == "AccountRegistered" && *p == "/email"));
}
