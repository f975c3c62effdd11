use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Kind, folder::broken};
use crate::Failure;

/// What a backup holds, written when it is complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub name: String,
    pub kind: Kind,
    pub taken_at: DateTime<Utc>,
    /// Of the log, read before the copy began: the copy holds at least this. 0 for the keys.
    pub epoch: i32,
    pub head: i64,
    /// Events of the log spread over it, by position: a copy of another log has others.
    pub marks: Vec<(i64, Uuid)>,
    /// Rows of the key store when the copy began; 0 for the log.
    pub keys: i64,
    pub bytes: u64,
    /// The first WAL segment that is needed to make it whole.
    pub first_wal: String,
    /// When a restored copy of it was found to be right.
    pub proven_at: Option<DateTime<Utc>>,
}

impl Manifest {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| broken(path, &error))?;
        serde_json::from_str(&text)
            .map_err(|_| Failure::could_not_run(format!("{} is no manifest of a backup", path.display())))
    }

    /// In one step, so that a backup is complete or none.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let beside = path.with_extension("json.new");
        let written = (|| {
            // A leftover of a killed predecessor.
            let _ = fs::remove_file(&beside);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(format!("{:#}\n", serde_json::json!(self)).as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
        })();
        written.map_err(|error| broken(path, &error))
    }
}
