//! `$DATA_DIR/lock`: whoever holds it owns the servers of the folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Holder};
use crate::layout::Layout;
use crate::process::Identity;

/// Somebody who only looks (`holder`) holds a shared lock for microseconds.
const PATIENCE: Duration = Duration::from_millis(200);

/// Held until dropped. The kernel releases it when the process ends, however it ends; the
/// servers do not inherit it (close-on-exec).
#[derive(Debug)]
pub struct DataLock {
    file: File,
}

impl DataLock {
    pub async fn take(layout: &Layout) -> Result<DataLock, Error> {
        let path = layout.lock();
        let mut file = open(&path)?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = Holder(written_holder(&mut file).map(|found| found.pid));
                    return Err(Error::Locked { path: layout.root.clone(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(Error::NotWritable { path, source }),
            }
        }
        let me = Identity::of_this_process();
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{} {}", me.pid, me.start));
        written.map_err(|source| Error::NotWritable { path, source })?;
        Ok(DataLock { file })
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        // Only a courtesy to readers: the lock itself ends with the file.
        let _ = self.file.set_len(0);
    }
}

/// The live process that holds the folder, if any.
pub fn holder(layout: &Layout) -> Result<Option<Identity>, Error> {
    let path = layout.lock();
    if !path.exists() {
        return Ok(None);
    }
    let mut file = open(&path)?;
    let Some(identity) = written_holder(&mut file).filter(Identity::is_alive) else { return Ok(None) };
    match file.try_lock_shared() {
        // It lives, but it has let go.
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(identity)),
        Err(TryLockError::Error(source)) => Err(Error::NotWritable { path, source }),
    }
}

fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| Error::NotWritable { path: path.to_owned(), source })
}

fn written_holder(file: &mut File) -> Option<Identity> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    Some(Identity { pid: pid.parse().ok()?, start: start.parse().ok()? })
}
