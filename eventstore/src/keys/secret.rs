use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use rand::{TryRng, rngs::SysRng};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{KeyError, KeyRequest};

/// Longest use of a key without asking the store again. Longer: an erased person stays readable
/// in a process that missed the announcement; the forget workflow waits 75 s for this reason.
/// Shorter: more round trips.
pub const MAX_LEASE: Duration = Duration::from_secs(60);

/// Bytes of an XChaCha20-Poly1305 nonce: long enough to draw it at random for every field.
pub const NONCE_LEN: usize = 24;

/// 32 secret bytes. Wiped on drop, shown nowhere; they leave only as what they encrypt.
pub struct Secret(Zeroizing<[u8; 32]>);

/// The ciphertext, its nonce or what it is bound to is not what was encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not authentic")]
pub struct NotAuthentic;

impl Secret {
    /// # Errors
    /// [`KeyError::NoRandomness`] when the operating system has none.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        SysRng.try_fill_bytes(bytes.as_mut()).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        if bytes.len() != secret.len() {
            return None;
        }
        secret.copy_from_slice(bytes);
        Some(Self(secret))
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts `buffer` in place and appends the tag; `bound` is authenticated, not stored.
    ///
    /// # Errors
    /// [`NotAuthentic`] beyond the cipher's limit of 256 GiB.
    pub fn encrypt(
        &self,
        nonce: &[u8; NONCE_LEN],
        bound: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), NotAuthentic> {
        XChaCha20Poly1305::new(self.expose().into())
            .encrypt_in_place(nonce.into(), bound, buffer)
            .map_err(|_| NotAuthentic)
    }

    /// Decrypts `buffer` (ciphertext and tag) in place.
    ///
    /// # Errors
    /// [`NotAuthentic`] when anything differs from what was encrypted; the buffer is then worthless.
    pub fn decrypt(
        &self,
        nonce: &[u8; NONCE_LEN],
        bound: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), NotAuthentic> {
        XChaCha20Poly1305::new(self.expose().into())
            .decrypt_in_place(nonce.into(), bound, buffer)
            .map_err(|_| NotAuthentic)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A person's key, usable until its lease ends.
#[derive(Clone)]
pub struct SubjectKey {
    key: Arc<Key>,
    until: Instant,
}

struct Key {
    id: Uuid,
    request: KeyRequest,
    secret: Secret,
}

impl SubjectKey {
    /// `read_at` is the moment *before* the store was asked: what matters is when the key was
    /// surely not erased yet, not when the answer arrived.
    pub(super) fn new(
        id: Uuid,
        request: KeyRequest,
        secret: Secret,
        read_at: Instant,
        lease: Duration,
    ) -> Self {
        Self { key: Arc::new(Key { id, request, secret }), until: read_at + lease.min(MAX_LEASE) }
    }

    #[must_use]
    pub fn id(&self) -> Uuid {
        self.key.id
    }

    #[must_use]
    pub fn request(&self) -> KeyRequest {
        self.key.request
    }

    /// The secret, or `None` when the lease is over (monotonic clock) and the store must be asked
    /// again. Call it for each use: a process can be paused between any two lines.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        (Instant::now() < self.until).then_some(&self.key.secret)
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectKey({})", self.key.id)
    }
}

#[cfg(test)]
mod tests {
    use kernel::Class;

    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let request = KeyRequest { subject: Uuid::nil(), class: Class::Identity, year: 2026 };
        let secret = Secret::from_slice(&[0xAB; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
        let key = SubjectKey::new(Uuid::nil(), request, secret, Instant::now(), MAX_LEASE);
        assert_eq!(format!("{key:?}"), "SubjectKey(00000000-0000-0000-0000-000000000000)");
    }

    #[test]
    fn a_lease_is_never_longer_than_the_bound_and_ends_by_itself() {
        let request = KeyRequest { subject: Uuid::nil(), class: Class::Identity, year: 2026 };
        let long_ago = Instant::now().checked_sub(MAX_LEASE).unwrap();
        let hour = Duration::from_secs(3600);
        let old = SubjectKey::new(Uuid::nil(), request, Secret::random().unwrap(), long_ago, hour);
        assert!(old.secret().is_none());
        let new = SubjectKey::new(Uuid::nil(), request, Secret::random().unwrap(), Instant::now(), hour);
        assert!(new.secret().is_some());
    }

    #[test]
    fn a_ciphertext_opens_only_with_its_nonce_and_what_it_is_bound_to() {
        let secret = Secret::random().unwrap();
        let mut sealed = b"text".to_vec();
        secret.encrypt(&[1; NONCE_LEN], b"place", &mut sealed).unwrap();
        assert_eq!(secret.decrypt(&[2; NONCE_LEN], b"place", &mut sealed.clone()), Err(NotAuthentic));
        assert_eq!(secret.decrypt(&[1; NONCE_LEN], b"other", &mut sealed.clone()), Err(NotAuthentic));
        assert_eq!(secret.decrypt(&[1; NONCE_LEN], b"place", &mut sealed[..3].to_vec()), Err(NotAuthentic));
        secret.decrypt(&[1; NONCE_LEN], b"place", &mut sealed).unwrap();
        assert_eq!(sealed, b"text");
    }
}
