//! Is the log what was signed? Reads every event once and compares, each with each:
//! event ↔ its hash in the stored tree ↔ the roots in the stored checkpoints ↔ those in the
//! checkpoint file. Whoever changes one of them is found by the next; whoever changes all that is
//! in the database, and signs it anew, by the last.
//!
//! A walk through [`verify`]:
//! 1. which keys are believed (`trust`), and what they have signed outside;
//! 2. the stored checkpoints, one by one (`seals`);
//! 3. every event behind the starting point (`scan`, `stored`), payloads included (`payloads`);
//! 4. the access log's chain (`access`).

mod access;
mod payloads;
mod report;
mod run;
mod sample;
mod scan;
mod seals;
mod stored;
mod trust;

pub use report::{EpochPart, Finding, Kind, Outside, Redaction, VerifyReport};
pub use run::{Verification, fork_of, verify};
pub use sample::{SampleReport, sample};
pub use trust::{Known, Trust};
