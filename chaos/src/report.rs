//! What a full run leaves behind.

use std::{fs, path::Path};

use anyhow::Context;
use bench::report::{commit, machine};
use serde::Serialize;

use crate::checker::{Check, Figures, Verdict};

#[derive(Serialize)]
struct Results<'a> {
    commit: String,
    machine: String,
    /// What the figures do not say.
    limits: &'static str,
    seed: u64,
    minutes: f64,
    ok: bool,
    #[serde(flatten)]
    figures: Figures,
    line: String,
    checks: &'a [Check],
}

/// # Errors
/// The file cannot be written.
pub fn write(folder: &Path, seed: u64, minutes: f64, verdict: &Verdict) -> anyhow::Result<()> {
    let results = Results {
        commit: commit()?,
        machine: machine(),
        limits: "one host, one copy of the stream; processes are killed, the power stays on",
        seed,
        minutes,
        ok: verdict.holds(),
        figures: verdict.figures,
        line: verdict.figures.to_string(),
        checks: &verdict.checks,
    };
    let mut text = serde_json::to_vec_pretty(&results)?;
    text.push(b'\n');
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join(format!("chaos-{seed}.json"));
    fs::write(&path, &text).with_context(|| format!("write {}", path.display()))?;
    eprintln!("chaos: written to {}", path.display());
    Ok(())
}
