use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use ed25519_dalek::{
    Signer as _, SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

use super::note::{BadNote, KeyId, PublicKey, SignedNote};

/// A key that signs checkpoints. Shown nowhere.
pub struct Signer {
    public: PublicKey,
    key: SigningKey,
}

#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error("the signing key {0} is missing")]
    Missing(PathBuf),
    #[error("the signing key {path} may be read by others (mode {mode:04o}): set its mode to 0600")]
    Mode { path: PathBuf, mode: u32 },
    #[error("the signing key {0} is no ed25519 key in PKCS#8 PEM, or another one than its name says")]
    Format(PathBuf),
    #[error("the signing key {path} cannot be used: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

impl Signer {
    pub fn sign(&self, note: &mut SignedNote) {
        let signature = self.key.sign(note.text().as_bytes());
        note.add(&self.public, signature.to_bytes());
    }

    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    #[cfg(test)]
    pub(crate) fn of_seed(origin: &str, seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        Self { public: PublicKey::new(origin, key.verifying_key().as_bytes()).unwrap(), key }
    }
}

/// The folder of the signing keys: one file per key, named by its id, readable by nobody else.
#[derive(Debug, Clone)]
pub struct SignerFolder(PathBuf);

impl SignerFolder {
    /// `keys/audit` in the data folder.
    #[must_use]
    pub fn in_keys_dir(keys_dir: &Path) -> Self {
        Self(keys_dir.join("audit"))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// # Errors
    /// [`SignerError`]
    pub fn load(&self, origin: &str, id: &str) -> Result<Signer, SignerError> {
        let path = self.0.join(id);
        let io = |error| SignerError::Io { path: path.clone(), error };
        let mode = match fs::metadata(&path) {
            Ok(meta) => meta.permissions().mode() & 0o777,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SignerError::Missing(path)),
            Err(error) => return Err(io(error)),
        };
        if mode & 0o077 != 0 {
            return Err(SignerError::Mode { path, mode });
        }
        let pem = Zeroizing::new(fs::read_to_string(&path).map_err(io)?);
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| SignerError::Format(path.clone()))?;
        let signer = signer(origin, key).map_err(|_| SignerError::Format(path.clone()))?;
        if signer.public.id().to_string() == id { Ok(signer) } else { Err(SignerError::Format(path)) }
    }

    /// Makes a key and its file.
    ///
    /// # Errors
    /// [`SignerError`]
    pub fn create(&self, origin: &str) -> Result<Signer, SignerError> {
        let mut secret = Zeroizing::new([0; 32]);
        SysRng.try_fill_bytes(&mut *secret).map_err(|_| SignerError::NoRandomness)?;
        let signer = signer(origin, SigningKey::from_bytes(&secret))
            .map_err(|_| SignerError::Format(self.0.clone()))?;
        let id = signer.public.id().to_string();
        let path = self.0.join(&id);
        let io = |error| SignerError::Io { path: path.clone(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(io)?;
        let pem = signer.key.to_pkcs8_pem(LineEnding::LF).map_err(|_| SignerError::Format(path.clone()))?;
        // Under another name first: a file that has a key's name has the whole key.
        let draft = self.0.join(format!(".{id}"));
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(io)?;
        io::Write::write_all(&mut file, pem.as_bytes()).map_err(io)?;
        file.sync_all().map_err(io)?;
        fs::rename(&draft, &path).map_err(io)?;
        fs::File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(signer)
    }

    /// The ids of the keys there are, for a first start that was interrupted.
    ///
    /// # Errors
    /// The folder is there and cannot be read.
    pub fn ids(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                ids.push(name);
            }
        }
        ids.sort();
        Ok(ids)
    }
}

fn signer(origin: &str, key: SigningKey) -> Result<Signer, BadNote> {
    Ok(Signer { public: PublicKey::new(origin, key.verifying_key().as_bytes())?, key })
}

/// As a key's file is named.
impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_nobody_else() {
        let place = tempfile::tempdir().unwrap();
        let folder = SignerFolder::in_keys_dir(place.path());
        assert!(folder.ids().unwrap().is_empty());
        let made = folder.create("log").unwrap();
        let id = made.public().id().to_string();
        assert_eq!(folder.ids().unwrap(), std::slice::from_ref(&id));
        let path = folder.path().join(&id);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let mut note = SignedNote::unsigned("text\n".into());
        folder.load("log", &id).unwrap().sign(&mut note);
        assert!(note.signed_by(std::slice::from_ref(made.public())).is_ok());
        // The same key is another one under another name.
        assert!(matches!(folder.load("another", &id), Err(SignerError::Format(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(folder.load("log", &id), Err(SignerError::Mode { mode: 0o640, .. })));
        assert!(matches!(folder.load("log", "00000000"), Err(SignerError::Missing(_))));
    }
}
