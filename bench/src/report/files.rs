use std::{fs, path::Path};

use anyhow::Context;

use super::Results;

/// The file everybody reads; the others are history.
const LATEST: &str = "latest";

/// What is known about this commit, if anything.
pub fn read(folder: &Path, commit: &str) -> Option<Results> {
    let text = fs::read(folder.join(format!("{commit}.json"))).ok()?;
    // A file of an older form is measured anew.
    serde_json::from_slice(&text).ok()
}

pub fn read_latest(folder: &Path) -> anyhow::Result<Results> {
    let path = folder.join(format!("{LATEST}.json"));
    let text = fs::read(&path).with_context(|| format!("{} is missing: run `make bench`", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
}

pub fn write(folder: &Path, results: &Results) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(results)?;
    text.push(b'\n');
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    for name in [results.commit.as_str(), LATEST] {
        let path = folder.join(format!("{name}.json"));
        fs::write(&path, &text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
