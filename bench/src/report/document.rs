//! The table in docs/benchmarks.md.

use std::{fs, path::Path};

use anyhow::{Context, bail};

use super::{files, table};

const PATH: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- table: begin (written by `bench table`) -->\n";
const END: &str = "<!-- table: end -->";

/// Puts the latest results between the markers.
///
/// # Errors
/// There are no results, or the document or its markers are missing.
pub fn renew(results: &Path) -> anyhow::Result<()> {
    let latest = files::read_latest(results)?;
    let text = fs::read_to_string(PATH).with_context(|| format!("{PATH} is missing"))?;
    let table =
        format!("Commit `{}` on {}.\n\n{}", latest.commit, latest.machine, table::markdown(&latest.runs));
    fs::write(PATH, between(&text, &table)?).with_context(|| format!("write {PATH}"))
}

fn between(text: &str, table: &str) -> anyhow::Result<String> {
    let (Some((head, rest)), true) = (text.split_once(BEGIN), text.contains(END)) else {
        bail!("{PATH} has lost the markers of its table");
    };
    let Some((_, tail)) = rest.split_once(END) else { bail!("{PATH} has its markers in the wrong order") };
    Ok(format!("{head}{BEGIN}{table}{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = format!("before\n{BEGIN}old\n{END}\nafter\n");
        assert_eq!(between(&text, "new\n").unwrap(), format!("before\n{BEGIN}new\n{END}\nafter\n"));
        assert!(between("no markers", "new").is_err());
    }
}
