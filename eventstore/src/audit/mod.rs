//! Tamper evidence: a Merkle tree over the log, signed checkpoints, proofs.
//!
//! The leaf of an event is [`audit_leaf`](crate::canonical::audit_leaf): everything about it, the
//! payload by its hash as stored, so that proofs survive erasure and redaction. A sealer follows
//! the log, off the write path, and signs size and root every second. What it stores could be
//! computed again from the log; it is kept to tell where a log that was changed differs.
//!
//! - [`tree`]: RFC 6962, in tiles;
//! - [`note`]: signed notes, checkpoints in them;
//! - [`Signer`], [`SignerFolder`]: the keys' secret halves, in files;
//! - [`CheckpointNotes`]: the checkpoints outside the database;
//! - [`record_access`]: who read what, chained and sealed like the log;
//! - [`Sealing`]: the sealer role; [`store`]: what it has stored;
//! - [`prove`], [`Bundle`]: proofs that need no server to be checked; [`verify`]: the whole log.

mod access;
mod error;
mod file;
mod leaves;
pub mod note;
mod proving;
mod sealing;
mod signer;
pub mod store;
pub mod tree;
pub mod verify;

pub use access::{Access, AccessEntry, access_entries, record_access};
pub use error::AuditError;
pub use file::{CheckpointNotes, Notes};
pub use leaves::{LeafRow, Leaves, leaf_rows};
pub use proving::{
    Against, BadBundle, Bundle, InclusionProof, ProvenEvent, Shown, bundle, prove, prove_consistency, root_at,
};
pub use sealing::{Rotated, Sealing, SealingConfig, SealingState, SealingStats, SealingStep, rotate};
pub use signer::{Signer, SignerError, SignerFolder};
