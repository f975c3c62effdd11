//! Golden vectors, from `vectors.json` (the file an auditor's tool in another language can read).

use kernel::{AggregateRef, Name};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AuditLeaf, NotCanonical, audit_leaf, canonical, canonical_text, metadata_hash, payload_hash};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn array<const N: usize>(text: &Value) -> [u8; N] {
    let text = text.as_str().unwrap();
    let bytes: Vec<u8> =
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn canonical_forms_are_golden() {
    for vector in vectors()["canonical"].as_array().unwrap() {
        let text = vector["json"].as_str().unwrap();
        assert_eq!(canonical_text(text).unwrap(), vector["canonical"].as_str().unwrap(), "{text}");
    }
}

#[test]
fn what_would_not_come_back_is_refused() {
    for vector in vectors()["refused"].as_array().unwrap() {
        let text = vector["json"].as_str().unwrap();
        assert_eq!(
            canonical_text(text).unwrap_err().to_string(),
            vector["error"].as_str().unwrap(),
            "{text}"
        );
    }
}

#[test]
fn hashes_are_golden() {
    for vector in vectors()["payload_hash"].as_array().unwrap() {
        let salt = (!vector["salt"].is_null()).then(|| array(&vector["salt"]));
        let hash = payload_hash(salt.as_ref(), vector["canonical"].as_str().unwrap());
        assert_eq!(hex(&hash), vector["hash"].as_str().unwrap());
    }
    let metadata = &vectors()["metadata_hash"];
    assert_eq!(
        hex(&metadata_hash(metadata["canonical"].as_str().unwrap())),
        metadata["hash"].as_str().unwrap()
    );
}

#[test]
fn the_audit_leaf_is_golden() {
    let vector = &vectors()["audit_leaf"];
    let aggregate = AggregateRef::new(
        Name::parse(vector["aggregate_type"].as_str().unwrap().to_owned()).unwrap(),
        vector["aggregate_id"].as_str().unwrap().parse().unwrap(),
    );
    let leaf = audit_leaf(&AuditLeaf {
        position: vector["position"].as_i64().unwrap(),
        epoch: vector["epoch"].as_i64().unwrap(),
        event_id: vector["event_id"].as_str().unwrap().parse::<Uuid>().unwrap(),
        aggregate: &aggregate,
        version: vector["version"].as_i64().unwrap(),
        event_type: &Name::parse(vector["type"].as_str().unwrap().to_owned()).unwrap(),
        schema_version: vector["schema_version"].as_i64().unwrap().try_into().unwrap(),
        recorded_at_micros: vector["recorded_at_micros"].as_i64().unwrap(),
        payload_hash: array(&vector["payload_hash"]),
        metadata_hash: array(&vector["metadata_hash"]),
    });
    assert_eq!(hex(&leaf), vector["leaf"].as_str().unwrap());
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert!(canonical(&nested(64)).is_ok());
    assert_eq!(canonical(&nested(65)), Err(NotCanonical::TooDeep));
}

#[test]
fn a_refusal_names_the_place() {
    let value = json!({"a": [1, {"b/c": "x\0"}]});
    assert_eq!(canonical(&value), Err(NotCanonical::Nul("/a/1/b~1c".to_owned())));
}
