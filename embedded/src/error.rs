//! Every way in which private servers cannot be had, each with what to do about it.

use std::io;
use std::path::PathBuf;

use crate::part::Part;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{server} is not installed (version {needed} or newer is needed): run `make servers`")]
    Missing { server: &'static str, needed: &'static str },

    #[error(
        "{server} at {path} is version {found}, but {needed} or newer is needed: run `make servers`",
        path = path.display()
    )]
    TooOld { server: &'static str, path: PathBuf, found: String, needed: &'static str },

    #[error(
        "{dir} was written by Postgres {written}, but only Postgres {found} is installed: \
         install postgresql-{written}, or move the data with pg_upgrade",
        dir = dir.display()
    )]
    OtherMajor { dir: PathBuf, written: u32, found: String },

    #[error(
        "port {port} on 127.0.0.1, which {part} needs again, is taken by another process: free it or restart all servers"
    )]
    PortTaken { part: Part, port: u16 },

    #[error("the data folder {path} cannot be written ({source}): choose another DATA_DIR or fix its rights", path = path.display())]
    NotWritable { path: PathBuf, source: io::Error },

    #[error("the data folder {path} is in use by {holder}: stop it, or choose another DATA_DIR", path = path.display())]
    Locked { path: PathBuf, holder: Holder },

    #[error(
        "the data folder {path} is held by {holder}, which runs no private servers there: \
         stop it, or choose another DATA_DIR",
        path = path.display()
    )]
    LockedWithoutServers { path: PathBuf, holder: Holder },

    #[error("{part} is not among the servers that {holder} runs in {path}: start that process with it", path = path.display())]
    NotAmongServers { part: Part, path: PathBuf, holder: Holder },

    #[error("{path} is damaged ({reason}): restart the process that runs the servers, it writes the file anew", path = path.display())]
    RecordDamaged { path: PathBuf, reason: String },

    #[error("{part} of {path} no longer runs although {holder} still holds the folder: restart that process", path = path.display())]
    ServerGone { part: Part, path: PathBuf, holder: Holder },

    #[error("{part} stopped while starting ({status}): {last_words} (see {log})", log = log.display())]
    Died { part: Part, status: String, last_words: String, log: PathBuf },

    #[error("{part} did not answer within {seconds} s: look into {log}", log = log.display())]
    NotReady { part: Part, seconds: u64, log: PathBuf },

    #[error("{part} could not be created: {reason}")]
    NotCreated { part: Part, reason: String },

    #[error("Postgres refuses to run as root and {reason}: run as another user, or configure DATABASE_URL")]
    Root { reason: String },

    #[error("{part} is not running in this cluster")]
    NotRunning { part: Part },

    #[error("{what} failed: {reason}")]
    Tool { what: String, reason: String },

    #[error("could not {what}: {source}")]
    Io { what: String, source: io::Error },
}

impl Error {
    /// For `map_err`: names what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }
}

/// The process that holds a data folder, as far as it could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(pub(crate) Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}
