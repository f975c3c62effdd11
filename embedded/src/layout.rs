//! The files below a data folder.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files;
use crate::part::Part;

/// Longest path of a unix socket the kernel takes, without the closing zero.
const SOCKET_PATH_LIMIT: usize = 107;
/// What Postgres appends to the folder, with the longest port.
const SOCKET_NAME: &str = "/.s.PGSQL.65535";

#[derive(Debug, Clone)]
pub struct Layout {
    /// Absolute, without symbolic links: compared with what the kernel says of a process.
    pub root: PathBuf,
}

impl Layout {
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub fn record(&self) -> PathBuf {
        self.root.join("servers.json")
    }

    pub fn addresses(&self) -> PathBuf {
        self.root.join("addresses.json")
    }

    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets.json")
    }

    pub fn server(&self, part: Part) -> PathBuf {
        self.root.join(part.folder())
    }

    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub fn log_file(&self, part: Part) -> PathBuf {
        self.logs().join(format!("{}.log", part.folder()))
    }

    /// Creates an empty folder for the unix sockets: `sockets/`, or a short private folder
    /// in the temporary directory when that path is too long for the kernel, the one it was
    /// `before` where that can be had.
    pub fn make_sockets(&self, before: Option<&Path>) -> Result<PathBuf, Error> {
        let here = self.root.join("sockets");
        if here.as_os_str().len() + SOCKET_NAME.len() <= SOCKET_PATH_LIMIT {
            // Nobody listens here any more: we hold the lock and the orphans are gone.
            let _ = std::fs::remove_dir_all(&here);
            files::private_dir(&here)?;
            return Ok(here);
        }
        let mut last = None;
        let kept = before.filter(|path| is_short(path)).map(Path::to_owned);
        let fresh = [std::env::temp_dir(), PathBuf::from("/tmp")]
            .map(|folder| folder.join(format!("{SHORT_PREFIX}{:016x}", rand::random::<u64>())));
        for short in kept.into_iter().chain(fresh) {
            if short.as_os_str().len() + SOCKET_NAME.len() > SOCKET_PATH_LIMIT {
                continue;
            }
            // `create`, not `recursive`: it fails when somebody else made that name.
            match std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
                .create(&short)
            {
                Ok(()) => return Ok(short),
                Err(source) => last = Some((short, source)),
            }
        }
        let (path, source) =
            last.unwrap_or_else(|| (std::env::temp_dir(), std::io::ErrorKind::InvalidFilename.into()));
        Err(Error::NotWritable { path, source })
    }
}

const SHORT_PREFIX: &str = "weltgewebe-";

/// Removes a socket folder again, if it is one of ours.
pub fn remove_sockets(path: &Path) {
    if path.file_name().is_some_and(|name| name == "sockets") || is_short(path) {
        // A leftover socket file hurts nobody.
        let _ = std::fs::remove_dir_all(path);
    }
}

/// Whether this is the name of one that `make_sockets` made in the temporary directory.
fn is_short(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.strip_prefix(SHORT_PREFIX)).is_some_and(|id| id.len() == 16)
}
