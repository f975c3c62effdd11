//! Whether every promise held: the invariants, each over what the callers were told on one side
//! and what log, stream and read models hold on the other. Knows nothing of faults or processes.
//!
//! - `commands`: I1 and I2, what was acknowledged, refused, left unknown;
//! - `order`: I3, I4 and I8, versions, positions, checkpoints;
//! - `sinks`: I5, I6, I7 and I9, from what `replay` and the log say;
//! - `answers`: I12 and I13, how the system bore it.

mod answers;
mod commands;
mod order;
mod sinks;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use projections::weave::authorship::Reactions;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::history::{Entry, FaultKind, Invoke, Line};

/// A row of the log, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_id: Uuid,
    pub version: i64,
    pub event_type: String,
    pub payload_hash: Vec<u8>,
    pub command_id: Uuid,
    /// Trace of the command that made it; none of what the system did by itself.
    pub trace: Option<String>,
    /// A reactor's.
    pub system: bool,
}

/// What is there when everything is over.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub history: Vec<Line>,
    /// By position.
    pub log: Vec<Event>,
    pub head: i64,
    pub reactions: Reactions,
    /// The answer of `replay verify`.
    pub read_models: Value,
    /// The answer of `replay stream verify`.
    pub stream: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub what: &'static str,
    pub ok: bool,
    pub found: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    pub checks: Vec<Check>,
    pub figures: Figures,
}

/// The figure line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Figures {
    pub kills: u64,
    pub pauses: u64,
    /// Commands with a 200.
    pub acknowledged: u64,
    /// Commands of which at least one attempt stayed without a certain answer.
    pub unknown: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub worst_recovery_s: f64,
}

impl Verdict {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kills, pauses, acknowledged, unknown, lost, duplicated, worst_recovery_s } = self;
        write!(
            f,
            "chaos: kills={kills} pauses={pauses} acknowledged={acknowledged} unknown={unknown} lost={lost} \
             duplicated={duplicated} worst_recovery_s={worst_recovery_s:.1}"
        )
    }
}

/// Looks at everything.
#[must_use]
pub fn check(evidence: &Evidence) -> Verdict {
    let ops = Op::gather(&evidence.history);
    let mut checks = Vec::new();
    let commands = commands::check(&ops, &evidence.log, &mut checks);
    order::check(evidence, &mut checks);
    sinks::check(evidence, &mut checks);
    let worst_recovery_s = answers::check(&evidence.history, &mut checks);
    let counted = |kind| {
        let of_kind =
            |line: &&Line| matches!(&line.entry, Entry::Fault { kind: found, .. } if *found == kind);
        evidence.history.iter().filter(of_kind).count() as u64
    };
    let figures = Figures {
        kills: counted(FaultKind::Kill),
        pauses: counted(FaultKind::Pause),
        acknowledged: ops.values().filter(|op| !op.answers.is_empty()).count() as u64,
        unknown: ops.values().filter(|op| op.unknown).count() as u64,
        lost: commands.lost,
        duplicated: commands.duplicated,
        worst_recovery_s,
    };
    checks.sort_by_key(|check| check.name.trim_start_matches('I').parse().unwrap_or(u32::MAX));
    Verdict { checks, figures }
}

/// One command, with all its attempts.
#[derive(Debug)]
struct Op<'a> {
    invoke: &'a Invoke,
    /// Attempts that left and of which nothing was heard, by any entry.
    open: usize,
    answers: Vec<&'a Value>,
    unknown: bool,
    refused: usize,
}

impl<'a> Op<'a> {
    fn gather(history: &'a [Line]) -> HashMap<u64, Self> {
        let mut ops: HashMap<u64, Self> = HashMap::new();
        for line in history {
            match &line.entry {
                Entry::Invoke(invoke) => {
                    let new = Self { invoke, open: 0, answers: vec![], unknown: false, refused: 0 };
                    ops.entry(invoke.op).or_insert(new).open += 1;
                }
                Entry::Ok { op, answer, .. } => ended(&mut ops, *op, |op| op.answers.push(answer)),
                Entry::Fail { op, .. } => ended(&mut ops, *op, |op| op.refused += 1),
                Entry::Unknown { op, .. } => ended(&mut ops, *op, |op| op.unknown = true),
                _ => {}
            }
        }
        // A run that was cut short leaves attempts without an end.
        ops.values_mut().filter(|op| op.open > 0).for_each(|op| op.unknown = true);
        ops
    }
}

fn ended<'a>(ops: &mut HashMap<u64, Op<'a>>, op: u64, with: impl FnOnce(&mut Op<'a>)) {
    if let Some(op) = ops.get_mut(&op) {
        op.open = op.open.saturating_sub(1);
        with(op);
    }
}

/// What a reader saw, in 64 hex digits: everything that must never change about these rows.
#[must_use]
pub fn digest(events: &[Event]) -> String {
    let mut hash = Sha256::new();
    for event in events {
        hash.update(event.position.to_be_bytes());
        hash.update(event.event_id);
        hash.update(event.aggregate_id);
        hash.update(event.version.to_be_bytes());
        hash.update(&event.payload_hash);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first few of many, for a sentence.
fn first<T: ToString>(found: &[T]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = found.iter().take(SHOWN).map(T::to_string).collect();
    let more = if found.len() > SHOWN { ", …" } else { "" };
    if found.is_empty() { String::new() } else { format!(" ({}{more})", shown.join(", ")) }
}
