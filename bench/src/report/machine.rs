use std::{fs, process::Command};

use anyhow::{Context, ensure};

/// Short commit; `-dirty` when something that is measured differs from it.
pub fn commit() -> anyhow::Result<String> {
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let measured = [".", ":!bench/results", ":!docs"];
    let changes = git(&[&["status", "--porcelain", "--untracked-files=no", "--"], &measured[..]].concat())?;
    Ok(if changes.is_empty() { commit } else { format!("{commit}-dirty") })
}

fn git(words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").args(words).output().context("run git, to name the commit")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git could not name the commit: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Processors, memory and kernel, in a few words.
#[must_use]
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .map_or_else(String::new, |kib| format!(", {} GiB", kib.div_ceil(1 << 20)));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split(['-', '+']).next().unwrap_or_default().trim();
    format!("{cores} × {model}{memory}, Linux {kernel}")
}

/// `name : value` as /proc writes it.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
