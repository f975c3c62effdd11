//! Figures, targets, and where they are written.

pub mod document;
mod files;
mod machine;
mod table;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use machine::{commit, machine};

use crate::arguments::Arguments;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// `part/…/contestant`; percentiles end in `/p50` and `/p99`.
    pub name: String,
    pub value: f64,
    pub unit: String,
    /// Name of the run this one is compared with.
    pub ratio_of: Option<String>,
    pub ratio: Option<f64>,
    /// What the ratio (or the value, where there is none) has to reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
}

/// Which side of the target is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    AtLeast,
    AtMost,
}

impl Run {
    #[must_use]
    pub fn new(name: &str, value: f64, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            ratio_of: None,
            ratio: None,
            target: None,
            met: None,
        }
    }

    #[must_use]
    pub fn compared(self, with: &str, ratio: Option<f64>) -> Self {
        Self { ratio_of: Some(with.to_owned()), ratio, ..self }
    }

    /// A ratio that could not be computed misses its target.
    #[must_use]
    pub fn judged(self, side: Target, target: f64) -> Self {
        let judged = if self.ratio_of.is_some() { self.ratio } else { Some(self.value) };
        let met = judged.is_some_and(|figure| match side {
            Target::AtLeast => figure >= target,
            Target::AtMost => figure <= target,
        });
        Self { target: Some(target), met: Some(met), ..self }
    }
}

/// Everything known about one commit on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub commit: String,
    pub machine: String,
    pub runs: Vec<Run>,
}

/// Collects the parts of this run; every finished part is on disk.
pub struct Report {
    results: Results,
    /// Names of the parts measured in this run: only they are shown and judged.
    parts: Vec<&'static str>,
    folder: PathBuf,
    short: bool,
}

impl Report {
    /// # Errors
    /// Git does not say which commit this is.
    pub fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let commit = commit()?;
        let machine = machine();
        let folder = arguments.results.clone();
        let results = files::read(&folder, &commit)
            // Figures of another machine are not mixed with ours.
            .filter(|found| found.machine == machine)
            .unwrap_or_else(|| Results { commit, machine, runs: vec![] });
        Ok(Self { results, parts: vec![], folder, short: arguments.short })
    }

    /// Replaces what was known about this part. A short run is shown and not kept: it would
    /// pass for a real one.
    ///
    /// # Errors
    /// The results cannot be written.
    pub fn add(&mut self, part: &'static str, runs: Vec<Run>) -> anyhow::Result<()> {
        self.parts.push(part);
        self.results.runs.retain(|run| !of_part(run, part));
        let unjudged = |run: Run| if self.short { Run { target: None, met: None, ..run } } else { run };
        self.results.runs.extend(runs.into_iter().map(unjudged));
        if self.short { Ok(()) } else { files::write(&self.folder, &self.results) }
    }

    #[must_use]
    pub fn table(&self) -> String {
        table::plain(&self.measured().cloned().collect::<Vec<_>>())
    }

    #[must_use]
    pub fn all_met(&self) -> bool {
        self.measured().all(|run| run.met != Some(false))
    }

    fn measured(&self) -> impl Iterator<Item = &Run> {
        self.results.runs.iter().filter(|run| self.parts.iter().any(|part| of_part(run, part)))
    }
}

fn of_part(run: &Run, part: &str) -> bool {
    run.name.strip_prefix(part).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_judges_the_ratio_or_else_the_value() {
        let run = Run::new("append/256/ours", 40_000.0, "events/s").compared("append/256/copy", Some(0.2));
        assert_eq!(run.clone().judged(Target::AtLeast, 0.25).met, Some(false));
        assert_eq!(run.judged(Target::AtLeast, 0.2).met, Some(true));
        assert_eq!(Run::new("http/rss", 400.0, "MiB").judged(Target::AtMost, 512.0).met, Some(true));
        let unknown = Run::new("a/b", 1.0, "x").compared("a/c", None);
        assert_eq!(unknown.judged(Target::AtLeast, 0.0).met, Some(false));
    }

    #[test]
    fn a_part_is_the_first_word_of_a_name() {
        assert!(of_part(&Run::new("append/1/ours", 1.0, "x"), "append"));
        assert!(!of_part(&Run::new("appendix/1", 1.0, "x"), "append"));
    }
}
