use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Kek, KeyEncryption, KeyError};

/// The key-encryption keys this process knows: the one that holds, and during an exchange the next
/// or the previous one. Which one holds is the key store's word ([`select`](Self::select)), not a
/// file name's, so that a process dying in the middle of an exchange leaves no doubt.
#[derive(Clone)]
pub struct KekRing(Arc<Shared>);

struct Shared {
    /// Looked through again when an unknown id turns up.
    file: Option<PathBuf>,
    ring: Mutex<Ring>,
}

struct Ring {
    current: Arc<dyn KeyEncryption>,
    others: Vec<Arc<dyn KeyEncryption>>,
}

impl KekRing {
    /// The key from `KEK` when it is set, else from the file, which is made when missing, and from
    /// its neighbours `.next` and `.previous`.
    ///
    /// # Errors
    /// See [`Kek::load`].
    pub fn load(variable: Option<&str>, file: &Path) -> Result<Self, KeyError> {
        let current: Arc<dyn KeyEncryption> = Arc::new(Kek::load(variable, file)?);
        let file = variable.is_none().then(|| file.to_owned());
        let others = file.as_deref().map(neighbours).transpose()?.unwrap_or_default();
        Ok(Self(Arc::new(Shared { file, ring: Mutex::new(Ring { current, others }) })))
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // Nothing panics while it is held, and every change is one assignment.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wraps new keys.
    #[must_use]
    pub fn current(&self) -> Arc<dyn KeyEncryption> {
        Arc::clone(&self.lock().current)
    }

    /// The key of this id; the files are read again for one that is unknown.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<dyn KeyEncryption>> {
        if let Some(found) = self.lock().find(id) {
            return Some(found);
        }
        let file = self.0.file.as_deref()?;
        // What cannot be read now is as unknown as what is not there.
        let mut read = neighbours(file).unwrap_or_default();
        if file.exists()
            && let Ok(kek) = Kek::from_file(file)
        {
            read.push(Arc::new(kek));
        }
        let mut ring = self.lock();
        for kek in read {
            if ring.find(kek.id()).is_none() {
                ring.others.push(kek);
            }
        }
        ring.find(id)
    }

    /// The key of this id wraps new keys from now on.
    ///
    /// # Errors
    /// [`KeyError::OtherKek`] when it is unknown.
    pub fn select(&self, id: &str) -> Result<(), KeyError> {
        let Some(wanted) = self.find(id) else {
            return Err(KeyError::OtherKek { stored: id.to_owned(), given: self.current().id().to_owned() });
        };
        let mut ring = self.lock();
        if ring.current.id() != id {
            let before = std::mem::replace(&mut ring.current, wanted);
            ring.others.retain(|kek| kek.id() != id);
            ring.others.push(before);
        }
        Ok(())
    }
}

impl Ring {
    fn find(&self, id: &str) -> Option<Arc<dyn KeyEncryption>> {
        [&self.current].into_iter().chain(&self.others).find(|kek| kek.id() == id).cloned()
    }
}

impl<K: KeyEncryption + 'static> From<Arc<K>> for KekRing {
    /// A key that is never exchanged while this process runs.
    fn from(kek: Arc<K>) -> Self {
        Self(Arc::new(Shared { file: None, ring: Mutex::new(Ring { current: kek, others: Vec::new() }) }))
    }
}

/// The file that holds the key to come.
pub(super) fn next(file: &Path) -> PathBuf {
    beside(file, ".next")
}

/// The file that holds a key that held before: an older backup of the key store opens with it.
pub(super) fn previous(file: &Path, id: &str) -> PathBuf {
    beside(file, &format!(".previous.{id}"))
}

/// All files of keys that held before.
pub(super) fn all_previous(file: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begin = beside(Path::new(file.file_name().unwrap_or_default()), ".previous.");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(begin.as_os_str().as_encoded_bytes()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn neighbours(file: &Path) -> Result<Vec<Arc<dyn KeyEncryption>>, KeyError> {
    let mut found: Vec<Arc<dyn KeyEncryption>> = Vec::new();
    let next = next(file);
    let mut paths = all_previous(file)
        .map_err(|error| KeyError::KekFile { path: file.to_owned(), error: Arc::new(error) })?;
    if fs::symlink_metadata(&next).is_ok() {
        paths.push(next);
    }
    for path in paths {
        found.push(Arc::new(Kek::from_file(&path)?));
    }
    Ok(found)
}
