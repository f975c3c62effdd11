//! Files and folders only their owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A log file bigger than this is set aside when its server starts.
const LOG_LIMIT: u64 = 16 << 20;

/// Creates a folder with mode 0700, or tightens the existing one.
pub fn private_dir(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path).and_then(|()| {
        if fs::metadata(path)?.mode() & 0o777 != 0o700 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    });
    made.map_err(|source| Error::NotWritable { path: path.to_owned(), source })
}

/// The data folder itself. An existing folder that is not ours alone (`/tmp`, a home with
/// other things in it) keeps its mode: taking everybody else's access away would break
/// more than it protects, and all we put in it is private by itself.
pub fn data_dir(path: &Path) -> Result<PathBuf, Error> {
    let foreign =
        fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) && !path.join("lock").exists();
    if !foreign {
        private_dir(path)?;
    }
    canonical(path)
}

/// Absolute and without symbolic links.
pub fn canonical(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(|source| Error::NotWritable { path: path.to_owned(), source })
}

/// Replaces a file in one step, mode 0600: readers see the old or the new content, never half.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    // A leftover of a killed writer may have any mode; only a file we create has ours.
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_parent(path)
}

/// Makes a rename in this file's folder survive a power cut.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Opens a server's log for appending, mode 0600; an overlong one moves to `<name>.1`.
pub fn open_log(path: &Path) -> Result<File, Error> {
    if fs::metadata(path).is_ok_and(|found| found.len() > LOG_LIMIT) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        // When it cannot be set aside it only grows on.
        let _ = fs::rename(path, aside);
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| Error::NotWritable { path: path.to_owned(), source })
}

/// The last two lines a server wrote after `offset`, for an error sentence: Postgres names
/// the cause in the line before the last.
pub fn last_words(path: &Path, offset: u64) -> String {
    let content = fs::read(path).unwrap_or_default();
    let fresh = content.get(usize::try_from(offset).unwrap_or(0)..).unwrap_or_default();
    let text = String::from_utf8_lossy(fresh);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(2)..].join(" / ");
    if last.is_empty() { "it wrote nothing".to_owned() } else { last.chars().take(500).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_things_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("letter"), "").unwrap();
        data_dir(dir.path()).unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o755);
        fs::remove_file(dir.path().join("letter")).unwrap();
        data_dir(dir.path()).unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_written_file_is_private_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        write_private(&path, b"1").unwrap();
        write_private(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
