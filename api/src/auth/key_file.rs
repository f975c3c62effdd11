use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{SecretKey, pkcs8::DecodePrivateKey};
use jsonwebtoken::{DecodingKey, EncodingKey};
use rand::{TryRng, rngs::SysRng};
use sha2::{Digest, Sha256};

use crate::settings::{AuthSettings, PlaceSettings};

/// What comes before the 32 secret bytes in an ed25519 key of PKCS#8 version 1 (RFC 8410).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The key that signs and checks tokens. Shown nowhere.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("there is no signing key at {0}: start `api serve` once, or set JWT_KEY_FILE")]
    Missing(PathBuf),
    #[error("the signing key {path} may be read by others (mode {mode:04o}): set its mode to 0600")]
    Mode { path: PathBuf, mode: u32 },
    #[error(
        "the signing key {0} is no ed25519 key in PKCS#8 PEM: make one with `openssl genpkey -algorithm ed25519`"
    )]
    Format(PathBuf),
    #[error("the signing key {path} cannot be used: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// Where the key lies, by these settings.
#[must_use]
pub fn jwt_key_path(auth: &AuthSettings, place: &PlaceSettings) -> PathBuf {
    auth.jwt_key_file.clone().unwrap_or_else(|| place.keys_dir().join("jwt"))
}

impl SigningKey {
    /// # Errors
    /// [`KeyFileError`]
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let io = |error| KeyFileError::Io { path: path.to_owned(), error };
        let mode = match fs::metadata(path) {
            Ok(meta) => meta.permissions().mode() & 0o777,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyFileError::Missing(path.to_owned()));
            }
            Err(error) => return Err(io(error)),
        };
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Mode { path: path.to_owned(), mode });
        }
        let pem = fs::read_to_string(path).map_err(io)?;
        Self::from_pem(&pem).ok_or_else(|| KeyFileError::Format(path.to_owned()))
    }

    /// Loads the key; the first start makes one.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        match Self::load(path) {
            Err(KeyFileError::Missing(_)) => {}
            found => return found,
        }
        let io = |error| KeyFileError::Io { path: path.to_owned(), error };
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
        }
        let mut secret = SecretKey::default();
        SysRng.try_fill_bytes(&mut secret).map_err(|_| KeyFileError::NoRandomness)?;
        let der = [PKCS8_ED25519.as_slice(), &secret].concat();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
        // `create_new`: of two processes that start at once one makes the key, both read it.
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match made {
            Ok(mut file) => io::Write::write_all(&mut file, pem.as_bytes()).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error)),
        }
        Self::load(path)
    }

    fn from_pem(pem: &str) -> Option<Self> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).ok()?;
        let public = key.verifying_key().to_bytes();
        let der = [PKCS8_ED25519.as_slice(), key.as_bytes()].concat();
        Some(Self {
            kid: hex::encode(&Sha256::digest(public)[..8]),
            encoding: EncodingKey::from_ed_der(&der),
            decoding: DecodingKey::from_ed_der(&public),
        })
    }

    /// Derived from the public key, so that two keys never share it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) const fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    pub(super) const fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_private_key_and_the_second_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/jwt");
        assert!(matches!(SigningKey::load(&path), Err(KeyFileError::Missing(_))));
        let kid = SigningKey::load_or_create(&path).unwrap().kid().to_owned();
        assert_eq!(SigningKey::load_or_create(&path).unwrap().kid(), kid);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt");
        SigningKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = SigningKey::load(&path).err().unwrap().to_string();
        assert!(refused.contains("0640") && refused.contains("0600"), "{refused}");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt");
        fs::write(&path, "hello").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(SigningKey::load(&path), Err(KeyFileError::Format(_))));
    }
}
