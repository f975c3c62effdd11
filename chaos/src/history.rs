//! What happened, as JSON lines: one entry per line, in the order in which it was learnt.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Milliseconds since the run began.
    pub time_ms: u64,
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line says. `op` numbers the commands; an attempt is one request for one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum Entry {
    /// A request leaves. From here on until its answer, its effect may or may not be there.
    Invoke(Invoke),
    /// 200.
    Ok {
        op: u64,
        attempt: u32,
        took_ms: u64,
        answer: Value,
    },
    /// Any other answer: nothing was written.
    Fail {
        op: u64,
        attempt: u32,
        took_ms: u64,
        status: u16,
        problem: String,
        retry_after: bool,
    },
    /// No answer, or one that says that the outcome is unknown.
    /// `status` is 0 without an answer.
    Unknown {
        op: u64,
        attempt: u32,
        took_ms: u64,
        status: u16,
        why: String,
        retry_after: bool,
    },
    /// A query that was answered with an error of the server's.
    Query {
        path: String,
        status: u16,
        retry_after: bool,
    },
    /// A reader of the log saw the positions behind `after` up to `to`; SHA-256 over what it saw,
    /// as [`crate::checker::digest`] makes it.
    Read {
        after: i64,
        to: i64,
        digest: String,
    },
    /// Where everybody who follows the log stood, and its head, in one look.
    Checkpoints {
        head: i64,
        points: BTreeMap<String, i64>,
    },
    /// The most memory a process ever had.
    Memory {
        process: String,
        mib: f64,
    },
    Fault {
        kind: FaultKind,
        what: String,
        whom: String,
        for_ms: u64,
    },
    /// A node of which an event cannot be applied; `parks`: read models have to say so; `there`:
    /// it was stored for sure.
    Poisoned {
        node: Uuid,
        parks: bool,
        there: bool,
    },
    Lifted {
        what: String,
        whom: String,
    },
    Ready {
        process: String,
    },
    /// `asked`: it was killed or stopped. Otherwise it ended by itself.
    Ended {
        process: String,
        asked: bool,
        how: String,
    },
    /// From the last lifted fault of a round until every process for commands had one acknowledged
    /// and read back.
    Recovered {
        ms: u64,
    },
    /// From the end of all faults until nobody was behind the head; `null`: never within the bound.
    LagZero {
        ms: Option<u64>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invoke {
    pub op: u64,
    pub attempt: u32,
    pub to: String,
    pub path: String,
    pub body: Value,
    pub actor: Uuid,
    pub key: String,
    /// 32 hex digits; the metadata of the command's events carry them.
    pub trace: String,
    /// Events it makes when it is done.
    pub makes: usize,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    Kill,
    Pause,
    /// SIGTERM.
    Stop,
    /// Something on the way between two processes.
    Link,
    /// The stream's files are gone or old.
    Stream,
    /// An event that cannot be applied.
    Poison,
}

/// Writes the history and counts what the screen shows.
pub struct History {
    file: Mutex<BufWriter<File>>,
    begun: Instant,
    pub acknowledged: AtomicU64,
    pub unknown: AtomicU64,
    pub kills: AtomicU64,
    pub pauses: AtomicU64,
}

impl History {
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self {
            file: Mutex::new(BufWriter::new(file)),
            begun: Instant::now(),
            acknowledged: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            kills: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
        })
    }

    pub fn tell(&self, entry: Entry) {
        let counter = match &entry {
            Entry::Ok { .. } => Some(&self.acknowledged),
            Entry::Unknown { .. } => Some(&self.unknown),
            Entry::Fault { kind: FaultKind::Kill, .. } => Some(&self.kills),
            Entry::Fault { kind: FaultKind::Pause, .. } => Some(&self.pauses),
            _ => None,
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken under the lock: the lines' times never go back.
        let time_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Ok(mut text) = serde_json::to_vec(&Line { time_ms, entry }) else { return };
        text.push(b'\n');
        // A full disk shows when the history is closed.
        let _ = file.write_all(&text);
    }

    /// # Errors
    /// Something could not be written.
    pub fn flush(&self) -> anyhow::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).flush().context("write the history")
    }
}

/// # Errors
/// The file cannot be read, or a line is damaged.
pub fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = File::open(path).with_context(|| format!("read {}", path.display()))?;
    BufReader::new(file)
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<anyhow::Result<_>>()
        .with_context(|| format!("{} is damaged", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let history = History::create(&path).unwrap();
        let entries = [
            Entry::Fault { kind: FaultKind::Kill, what: "kill".into(), whom: "relay-1".into(), for_ms: 7 },
            Entry::Unknown {
                op: 1,
                attempt: 1,
                took_ms: 5,
                status: 0,
                why: "reset".into(),
                retry_after: false,
            },
            Entry::LagZero { ms: None },
        ];
        for entry in &entries {
            history.tell(entry.clone());
        }
        history.flush().unwrap();
        let lines = read(&path).unwrap();
        assert_eq!(lines.into_iter().map(|line| line.entry).collect::<Vec<_>>(), entries);
        assert_eq!((history.kills.into_inner(), history.unknown.into_inner()), (1, 1));
    }
}
