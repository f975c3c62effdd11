//! `$DATA_DIR/servers.json` (0600): what runs, for processes that attach.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::files;
use crate::part::Part;
use crate::process::Identity;

const FORMAT: u32 = 1;

#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// The process that holds the lock.
    pub holder: Identity,
    pub servers: BTreeMap<Part, RunningServer>,
    pub socket_dir: Option<PathBuf>,
    pub endpoints: Endpoints,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct RunningServer {
    #[serde(flatten)]
    pub identity: Identity,
    pub port: u16,
    pub version: String,
}

impl Record {
    pub fn new(
        servers: BTreeMap<Part, RunningServer>,
        socket_dir: Option<PathBuf>,
        endpoints: Endpoints,
    ) -> Record {
        Record { format: FORMAT, holder: Identity::of_this_process(), servers, socket_dir, endpoints }
    }

    /// `None` when there is no file.
    pub fn read(path: &Path) -> Result<Option<Record>, Error> {
        let damaged = |reason: String| Error::RecordDamaged { path: path.to_owned(), reason };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| {
            // serde's own text quotes what it found, and that may be a password.
            damaged(format!("no valid JSON of ours at line {}", error.line()))
        })?;
        if record.format != FORMAT {
            return Err(damaged(format!("format {}, expected {FORMAT}", record.format)));
        }
        Ok(Some(record))
    }

    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let not_writable = |source| Error::NotWritable { path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| not_writable(error.into()))?;
        files::write_private(path, &text).map_err(not_writable)
    }
}
