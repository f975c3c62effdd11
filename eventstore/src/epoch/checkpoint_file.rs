use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use kernel::Position;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One statement about an epoch, outside the database: a restored backup cannot take it back.
/// Not signed; the audit log's checkpoints will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointLine {
    pub kind: String,
    pub from: i32,
    pub to: i32,
    /// The last position of the epoch that ended.
    pub position: Position,
    /// The operator's words, and what was given up.
    pub reason: String,
    pub started_at: DateTime<Utc>,
    /// As pg_controldata prints it; text, because it is beyond what JSON numbers are safe for.
    pub system_identifier: String,
    pub timeline: i32,
    pub event_id: Uuid,
    pub event_position: Position,
}

/// `checkpoints/epochs.jsonl`: lines are only ever added, and each is on disk before `append` ends.
#[derive(Debug, Clone)]
pub struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self { path: data_dir.join("checkpoints").join("epochs.jsonl") }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every line that can be read. One that was cut short by a power loss is passed over.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn lines(&self) -> io::Result<Vec<CheckpointLine>> {
        let mut text = String::new();
        match File::open(&self.path) {
            Ok(mut file) => _ = file.read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Adds a line unless this very epoch's beginning (same event) is written there already.
    ///
    /// # Errors
    /// The folder cannot be made or the file cannot be written.
    pub async fn append(&self, line: CheckpointLine) -> io::Result<bool> {
        let file = self.clone();
        let joined = tokio::task::spawn_blocking(move || file.append_now(&line)).await;
        joined.map_err(io::Error::other)?
    }

    fn append_now(&self, line: &CheckpointLine) -> io::Result<bool> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        // Two operators at once: the second waits and then finds the line. Released with the file.
        file.lock()?;
        if self.lines()?.iter().any(|known| known.event_id == line.event_id) {
            return Ok(false);
        }
        let mut text = serde_json::to_string(line).map_err(io::Error::other)?;
        text.push('\n');
        if !ends_with_newline(&self.path)? {
            text.insert(0, '\n');
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(true)
    }
}

fn ends_with_newline(path: &Path) -> io::Result<bool> {
    let bytes = fs::read(path)?;
    Ok(bytes.last().is_none_or(|last| *last == b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(to: i32) -> CheckpointLine {
        CheckpointLine {
            kind: "epoch-advanced".into(),
            from: to - 1,
            to,
            position: 10,
            reason: "disk".into(),
            started_at: DateTime::UNIX_EPOCH,
            system_identifier: "18446744073709551609".into(),
            timeline: 2,
            event_id: Uuid::from_u128(to.unsigned_abs().into()),
            event_position: 11,
        }
    }

    #[tokio::test]
    async fn lines_are_added_once_and_survive_a_torn_one() {
        let folder = std::env::temp_dir().join(format!("wg-epochs-{}", Uuid::new_v4()));
        let file = CheckpointFile::in_data_dir(&folder);
        assert_eq!(file.lines().unwrap(), []);
        assert!(file.append(line(2)).await.unwrap());
        assert!(!file.append(line(2)).await.unwrap());
        // A power loss in the middle of a line.
        fs::write(file.path(), fs::read_to_string(file.path()).unwrap() + "{\"kind\":\"ep").unwrap();
        assert!(file.append(line(3)).await.unwrap());
        assert_eq!(file.lines().unwrap(), [line(2), line(3)]);
        fs::remove_dir_all(folder).unwrap();
    }
}
