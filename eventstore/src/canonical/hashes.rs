use kernel::{AggregateRef, Name, Position, Version};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// SHA-256.
pub type Hash = [u8; 32];

/// Random bytes stored beside a payload, so that a short value cannot be guessed from its hash.
/// They go when a field of the payload is redacted.
pub type Salt = [u8; 16];

/// `SHA-256(salt ‖ canonical)`. `salt` is `None` only for a payload that never had one, such as
/// the redacted form named by `FieldRedacted.new_hash`.
#[must_use]
pub fn payload_hash(salt: Option<&Salt>, canonical: &str) -> Hash {
    let mut hash = Sha256::new();
    if let Some(salt) = salt {
        hash.update(salt);
    }
    hash.update(canonical.as_bytes());
    hash.finalize().into()
}

/// `SHA-256(canonical)` of the metadata. Without salt: metadata holds nothing personal.
#[must_use]
pub fn metadata_hash(canonical: &str) -> Hash {
    Sha256::digest(canonical.as_bytes()).into()
}

/// What the audit tree commits to for one event.
#[derive(Debug, Clone)]
pub struct AuditLeaf<'a> {
    pub position: Position,
    pub epoch: i64,
    pub event_id: Uuid,
    pub aggregate: &'a AggregateRef,
    pub version: Version,
    pub event_type: &'a Name,
    pub schema_version: i32,
    /// Microseconds since 1970-01-01T00:00:00Z, by the database's clock.
    pub recorded_at_micros: i64,
    pub payload_hash: Hash,
    pub metadata_hash: Hash,
}

/// The leaf's bytes: each field as its length (u32, big-endian) and its bytes, in the order of
/// the struct (aggregate = type, then id). Integers are i64, big-endian; ids are their 16 bytes.
#[must_use]
pub fn audit_leaf(leaf: &AuditLeaf<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(320);
    prefixed(&mut out, &leaf.position.to_be_bytes());
    prefixed(&mut out, &leaf.epoch.to_be_bytes());
    prefixed(&mut out, leaf.event_id.as_bytes());
    prefixed(&mut out, leaf.aggregate.aggregate_type.as_str().as_bytes());
    prefixed(&mut out, leaf.aggregate.aggregate_id.as_bytes());
    prefixed(&mut out, &leaf.version.to_be_bytes());
    prefixed(&mut out, leaf.event_type.as_str().as_bytes());
    prefixed(&mut out, &i64::from(leaf.schema_version).to_be_bytes());
    prefixed(&mut out, &leaf.recorded_at_micros.to_be_bytes());
    prefixed(&mut out, &leaf.payload_hash);
    prefixed(&mut out, &leaf.metadata_hash);
    out
}

/// Appends `field` behind its length, so that two neighbouring fields can never be read as two
/// others. Fields are ids, names and pointers: far below 4 GiB.
pub(crate) fn prefixed(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&(field.len() as u32).to_be_bytes());
    out.extend_from_slice(field);
}
