use std::path::Path;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::{LifecycleError, secret_file};

/// Signs certificates.
pub struct CertificateKey(SigningKey);

impl CertificateKey {
    /// Reads `path`; makes it when it is missing. The public half is written beside it (`.pub`):
    /// give that to whoever checks certificates.
    ///
    /// # Errors
    /// [`LifecycleError::File`] when it cannot be read or made.
    pub fn load(path: &Path) -> Result<Self, LifecycleError> {
        let failed = || LifecycleError::file(format!("the certificate key {}", path.display()));
        let key = SigningKey::from_bytes(&*secret_file::read_or_make(path).map_err(failed())?);
        let public = path.with_extension("pub");
        if !public.exists() {
            std::fs::write(&public, format!("{}\n", hex::encode(key.verifying_key().as_bytes())))
                .map_err(failed())?;
        }
        Ok(Self(key))
    }

    #[must_use]
    pub fn public(&self) -> VerifyingKey {
        self.0.verifying_key()
    }

    /// Of anything else than a certificate: `context` keeps one kind of signature from passing
    /// for another.
    pub(crate) fn sign_in(&self, context: &[u8], bytes: &[u8]) -> String {
        self.sign(&[context, bytes].concat())
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> String {
        hex::encode(self.0.sign(bytes).to_bytes())
    }
}
