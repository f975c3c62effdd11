//! The one byte form of a payload, and the hashes taken over it.
//!
//! A payload is stored as `jsonb`, which reorders keys, drops duplicates and rewrites numbers, so
//! its text is not what was hashed. What is hashed is the canonical form: RFC 8785 (JCS), with
//! the choices that make it the same before and after the trip through `jsonb`:
//!
//! - Integers are `i64`, written as exact decimals. RFC 8785 knows doubles only; both agree up to
//!   2^53, beyond it ours is exact and theirs would round.
//! - Doubles are written as RFC 8785 says (ECMAScript): `1.0` is `1`, `-0.0` is `0`, `1e21` is
//!   `1e+21`. Two spellings of one number are one canonical form.
//! - Refused, because they would not come back as they went in: integers above `i64::MAX` (and
//!   doubles in 2^63..2^64, which `jsonb` prints as such integers), NUL in any string or key,
//!   and nesting below [`MAX_DEPTH`].
//!
//! `vectors.json` holds golden vectors; they never change once events are stored.

mod hashes;
mod jcs;
#[cfg(test)]
mod property;
#[cfg(test)]
mod vectors;

pub(crate) use hashes::prefixed;
pub use hashes::{AuditLeaf, Hash, Salt, audit_leaf, metadata_hash, payload_hash};
pub use jcs::{MAX_DEPTH, NotCanonical, canonical, canonical_text};
