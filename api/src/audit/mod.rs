//! `/v1/audit`: the log as it is stored, its proofs, and who read what, for auditors. Whoever reads
//! content is written down before the answer ([`reason`] says why, in the reader's words).

mod access_log;
mod aggregate;
mod events;
mod export;
mod proof;
mod reader;
mod seals;
mod signers;
mod trace;

pub use access_log::{AccessDocument, AccessListDocument, access};
pub use aggregate::{AggregateDocument, aggregate};
pub use events::{AuditEventDocument, events};
pub use export::export;
pub use proof::{AuditProof, ProvenEventShape, proof};
pub use reader::reason;
pub use seals::{AuditKeyDocument, AuditKeysDocument, checkpoint, keys, tile};
pub use signers::Signers;
pub use trace::{StepDocument, TraceDocument, TracedDocument, trace};
