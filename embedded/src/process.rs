//! Processes as the kernel describes them below `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A process that a recycled pid cannot be mistaken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: u32,
    /// Clock ticks from boot to its start.
    pub start: u64,
}

impl Identity {
    pub fn of(pid: u32) -> Option<Identity> {
        Stat::read(pid).map(|stat| Identity { pid, start: stat.start })
    }

    pub fn of_this_process() -> Identity {
        let pid = std::process::id();
        // Without /proc there is nothing to compare with either: `is_alive` is then false.
        Identity::of(pid).unwrap_or(Identity { pid, start: 0 })
    }

    /// A zombie counts as dead: nothing answers there any more.
    pub fn is_alive(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.start == self.start && !stat.zombie)
    }
}

/// The fields of `/proc/<pid>/stat` we need.
pub struct Stat {
    pub parent: u32,
    pub start: u64,
    pub zombie: bool,
}

impl Stat {
    pub fn read(pid: u32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name in parentheses and may itself hold spaces and
        // parentheses; the fields after the last one are plain.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Stat {
            zombie: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }
}

/// Working directory and program of a process; `None` when it is gone or not ours to see.
pub struct Place {
    pub cwd: PathBuf,
    pub program: String,
}

impl Place {
    pub fn of(pid: u32) -> Option<Place> {
        let link = |name| fs::read_link(format!("/proc/{pid}/{name}")).ok();
        let (cwd, program) = (link("cwd")?, link("exe")?);
        let program = program.file_name()?.to_string_lossy();
        // The kernel marks a file that was replaced (an upgrade) or removed meanwhile.
        let program = program.trim_end_matches(" (deleted)").to_owned();
        Some(Place { cwd: without_mark(&cwd), program })
    }
}

fn without_mark(path: &Path) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(text) => PathBuf::from(text),
        None => path.to_owned(),
    }
}

/// Every process id now.
pub fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_a_recycled_pid_is_not_it() {
        let me = Identity::of_this_process();
        assert!(me.is_alive());
        assert!(!Identity { start: me.start + 1, ..me }.is_alive());
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        child.kill().unwrap();
        while Stat::read(child.id()).is_some_and(|stat| !stat.zombie) {
            std::thread::yield_now();
        }
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }
}
