//! The forget ledger: who was forgotten, in a file outside every database. A restored backup
//! brings back a person's keys or rows; the ledger, applied before anybody is served, takes them
//! away again. It holds account ids, which mean nothing once the person is forgotten.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use domain::platform::person::Contents;
use eventstore::keys::{KeyStore, Standing};
use kernel::Class;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{LifecycleError, forget};

/// One person, forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    pub account: Uuid,
    pub content: Contents,
    pub at: DateTime<Utc>,
}

/// `forget-ledger.jsonl`: lines are only ever added, and each is on disk before `add` ends.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

/// What applying it did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Persons in the ledger.
    pub persons: u64,
    /// Of them, whose keys were there again.
    pub shredded: u64,
    /// Under a legal hold: left alone.
    pub held: u64,
    /// Requests that the log's database did not know any more.
    pub requests: u64,
}

impl Ledger {
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self::at(data_dir.join("forget-ledger.jsonl"))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> LifecycleError {
        LifecycleError::file(format!("the forget ledger {}", self.path.display()))
    }

    /// Every line. One that was cut short by a power loss ends the file; a damaged one in its
    /// middle is an error: behind it could stand anybody.
    ///
    /// # Errors
    /// [`LifecycleError::File`] when it is there and cannot be read.
    pub fn lines(&self) -> Result<Vec<LedgerLine>, LifecycleError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed()(error)),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let read = |(number, line): (usize, &str)| {
            serde_json::from_str(line)
                .map_err(|_| self.failed()(io::Error::other(format!("line {} cannot be read", number + 1))))
        };
        whole.lines().enumerate().filter(|(_, line)| !line.is_empty()).map(read).collect()
    }

    /// Adds a line, unless the person stands there with this or more.
    ///
    /// # Errors
    /// [`LifecycleError::File`] when the file cannot be written.
    pub async fn add(&self, line: LedgerLine) -> Result<(), LifecycleError> {
        let ledger = self.clone();
        let joined = tokio::task::spawn_blocking(move || ledger.add_now(&line)).await;
        joined.map_err(|_| LifecycleError::Other("the forget ledger's thread panicked".to_owned()))?
    }

    fn add_now(&self, line: &LedgerLine) -> Result<(), LifecycleError> {
        let write = || -> io::Result<File> {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let file =
                OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)?;
            // Two at once: the second waits and then finds the line. Released with the file.
            file.lock()?;
            File::open(folder)?.sync_all()?;
            Ok(file)
        };
        let mut file = write().map_err(self.failed())?;
        let known = self.lines()?;
        if known.iter().any(|known| known.account == line.account && known.content >= line.content) {
            return Ok(());
        }
        let mut add = || -> io::Result<()> {
            let mut text = serde_json::to_string(line).map_err(io::Error::other)?;
            text.push('\n');
            let length = file.metadata()?.len();
            if length > 0 {
                let mut last = [0];
                file.seek(SeekFrom::Start(length - 1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    // Cut short by a power loss: that person's request goes on and is written again.
                    let text = fs::read(&self.path)?;
                    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                    file.set_len(whole as u64)?;
                }
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        add().map_err(self.failed())
    }

    /// Takes away again what a restore has brought back: keys at once, and the rest by requests
    /// that are worked on like any other. To be called before anybody is served.
    ///
    /// # Errors
    /// [`LifecycleError`]; then nobody is to be served.
    pub async fn apply(&self, log: &PgPool, keys: &dyn KeyStore) -> Result<Applied, LifecycleError> {
        let mut wanted: BTreeMap<Uuid, LedgerLine> = BTreeMap::new();
        for line in self.lines()? {
            let entry = wanted.entry(line.account).or_insert_with(|| line.clone());
            if line.content > entry.content {
                *entry = line;
            }
        }
        let mut applied = Applied { persons: wanted.len() as u64, ..Applied::default() };
        for LedgerLine { account, content, at } in wanted.into_values() {
            let standing = keys.standing(account).await?;
            let back = Class::ALL
                .into_iter()
                .zip(standing)
                .any(|(class, standing)| content.classes().contains(&class) && standing != Standing::Erased);
            if back {
                let erasure = keys.erase(account, content.classes()).await?;
                if erasure.held.is_empty() {
                    applied.shredded += 1;
                } else {
                    applied.held += 1;
                }
            }
            applied.requests += u64::from(forget::add(log, account, content, at).await?);
        }
        Ok(applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(account: u128, content: Contents) -> LedgerLine {
        LedgerLine { account: Uuid::from_u128(account), content, at: DateTime::UNIX_EPOCH }
    }

    #[tokio::test]
    async fn a_person_is_written_once_and_again_for_more() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_data_dir(folder.path());
        assert_eq!(ledger.lines().unwrap(), []);
        for content in [Contents::Keep, Contents::Keep, Contents::Erase, Contents::Keep] {
            ledger.add(line(1, content)).await.unwrap();
        }
        assert_eq!(ledger.lines().unwrap(), [line(1, Contents::Keep), line(1, Contents::Erase)]);
    }

    #[tokio::test]
    async fn a_line_cut_short_is_replaced_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_data_dir(folder.path());
        ledger.add(line(1, Contents::Erase)).await.unwrap();
        let mut text = fs::read_to_string(ledger.path()).unwrap();
        text.push_str("{\"account\":\"0000");
        fs::write(ledger.path(), &text).unwrap();
        assert_eq!(ledger.lines().unwrap().len(), 1);
        ledger.add(line(2, Contents::Erase)).await.unwrap();
        assert_eq!(ledger.lines().unwrap(), [line(1, Contents::Erase), line(2, Contents::Erase)]);
        fs::write(ledger.path(), format!("nonsense\n{text}\n")).unwrap();
        assert!(ledger.lines().unwrap_err().to_string().contains("line 1"));
    }

    #[tokio::test]
    async fn many_at_once_all_stand_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_data_dir(folder.path());
        let mut writing = tokio::task::JoinSet::new();
        for number in 0..40 {
            let ledger = ledger.clone();
            writing.spawn(async move { ledger.add(line(number % 20, Contents::Erase)).await.unwrap() });
        }
        writing.join_all().await;
        assert_eq!(ledger.lines().unwrap().len(), 20);
    }
}
