//! Tamper evidence on a real log: sealing, proving, and finding what an attacker changed.

mod log;
mod sealing;
mod tamper;
mod tools;
