//! Tamper evidence on a real log: sealing, proving, and finding what an attacker changed.

mod access;
mod audited;
mod epochs;
mod http;
mod import;
mod log;
mod sealing;
mod tamper;
mod tools;
mod walkthrough;
