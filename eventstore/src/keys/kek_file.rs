use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Kek, KeyError, Secret};

impl Kek {
    /// The key from `KEK` when it is set, else from the file, which is made when missing.
    ///
    /// # Errors
    /// See [`from_text`](Self::from_text) and [`from_file`](Self::from_file).
    pub fn load(variable: Option<&str>, file: &Path) -> Result<Self, KeyError> {
        match variable {
            Some(text) => Self::from_text(text),
            None => Self::from_file(file),
        }
    }

    /// The key in `path`; makes it (32 random bytes, mode 0600, on disk before it is used) when
    /// the file is missing. Of several processes at once one makes it and all use the same.
    ///
    /// # Errors
    /// [`KeyError::KekMode`] when others may read it, [`KeyError::KekFormat`] when it holds
    /// something else, [`KeyError::KekFile`] when it cannot be read or made.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        match read(path) {
            Err(Problem::Io(error)) if error.kind() == ErrorKind::NotFound => {
                create(path)?;
                read(path).map_err(|problem| problem.at(path))
            }
            other => other.map_err(|problem| problem.at(path)),
        }
    }
}

enum Problem {
    Io(io::Error),
    Mode(u32),
    Format,
}

impl Problem {
    fn at(self, path: &Path) -> KeyError {
        match self {
            Self::Io(error) => file_error(path, error),
            Self::Mode(mode) => KeyError::KekMode { path: path.to_owned(), mode },
            Self::Format => KeyError::KekFormat("the file in KEK_FILE"),
        }
    }
}

fn file_error(path: &Path, error: io::Error) -> KeyError {
    KeyError::KekFile { path: path.to_owned(), error: Arc::new(error) }
}

fn read(path: &Path) -> Result<Kek, Problem> {
    let mut file = File::open(path).map_err(Problem::Io)?;
    // Asked of the open file, not of the path, which could be another file by then.
    let metadata = file.metadata().map_err(Problem::Io)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Problem::Mode(mode));
    }
    if !metadata.is_file() || metadata.len() > 256 {
        return Err(Problem::Format);
    }
    // Room for all of it, so that no half-read copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(512));
    match file.read_to_string(&mut text) {
        Ok(_) => Kek::parse(&text).ok_or(Problem::Format),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(Problem::Format),
        Err(error) => Err(Problem::Io(error)),
    }
}

/// Writes a new key beside `path` and links it there: the name appears with the whole content or
/// not at all, and linking fails where somebody else was faster, which is as good.
fn create(path: &Path) -> Result<(), KeyError> {
    let kek = Kek::new(Secret::random()?);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let make = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let draft = folder.join(format!(".kek-{}", Uuid::new_v4().simple()));
        let written = write(&draft, kek.to_text().as_bytes());
        let linked = written.and_then(|()| fs::hard_link(&draft, path));
        let removed = fs::remove_file(&draft);
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        removed?;
        // The name itself has to survive a power loss before the first row is wrapped.
        File::open(folder)?.sync_all()
    };
    make().map_err(|error| file_error(path, error))
}

fn write(draft: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Barrier, thread};

    use super::*;
    use crate::keys::KeyEncryption;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("kek-{}", Uuid::new_v4()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            // A leftover in the temporary folder harms nobody.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_missing_key_file_is_made_once_with_mode_0600() {
        let folder = Folder::new();
        let path = folder.0.join("keys/kek");
        let id = Kek::from_file(&path).unwrap().id().to_owned();
        assert_eq!(Kek::from_file(&path).unwrap().id(), id);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(folder.0.join("keys")).unwrap().permissions().mode() & 0o7777, 0o700);
        assert_eq!(fs::read_dir(folder.0.join("keys")).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn of_many_at_once_all_use_the_same_key() {
        let folder = Folder::new();
        for round in 0..20 {
            let (path, barrier) = (folder.0.join(format!("kek{round}")), Barrier::new(8));
            let ids: Vec<String> = thread::scope(|scope| {
                let start = || {
                    barrier.wait();
                    Kek::from_file(&path).unwrap().id().to_owned()
                };
                let running: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
                running.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
    }

    #[test]
    fn a_key_file_others_may_read_is_refused_in_one_sentence() {
        let folder = Folder::new();
        let path = folder.0.join("kek");
        Kek::from_file(&path).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Kek::from_file(&path).unwrap_err().to_string();
            assert!(error.ends_with(&format!("(mode {mode:04o}): set its mode to 0600")), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        Kek::from_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused() {
        let folder = Folder::new();
        let path = folder.0.join("kek");
        write(&path, b"hello").unwrap();
        assert!(matches!(Kek::from_file(&path), Err(KeyError::KekFormat(_))));
        assert!(matches!(Kek::from_file(&folder.0), Err(KeyError::KekMode { .. } | KeyError::KekFormat(_))));
    }

    #[test]
    fn the_variable_goes_before_the_file() {
        let folder = Folder::new();
        let path = folder.0.join("kek");
        assert_eq!(Kek::load(Some(&"00".repeat(32)), &path).unwrap().id(), "66687aadf862bd77");
        assert!(!path.exists());
    }
}
