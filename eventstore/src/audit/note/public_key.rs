use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::BadNote;

/// Signature type of ed25519 in signed notes.
const ED25519: u8 = 1;

/// The first bytes of a hash over name and key: which key a signature claims to be of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key that notes are checked with; written `<name>+<id>+<base64>` (a vkey).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: KeyId,
    key: VerifyingKey,
}

impl PublicKey {
    /// # Errors
    /// [`BadNote::Key`] when the name has a space or a plus, or the bytes are no key.
    pub fn new(name: &str, key: &[u8]) -> Result<Self, BadNote> {
        let bad_name = name.is_empty() || name.chars().any(|c| c == '+' || c.is_whitespace());
        let bytes: [u8; 32] = key.try_into().map_err(|_| BadNote::Key)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| BadNote::Key)?;
        // A key of small order has signatures that fit many texts.
        if bad_name || key.is_weak() {
            return Err(BadNote::Key);
        }
        let mut hash = Sha256::new();
        hash.update(name.as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(bytes);
        let hash = hash.finalize();
        Ok(Self { name: name.to_owned(), id: KeyId([hash[0], hash[1], hash[2], hash[3]]), key })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(super) fn checks(&self, text: &str, signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519], self.bytes().as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, self.id)
    }
}

impl FromStr for PublicKey {
    type Err = BadNote;

    fn from_str(text: &str) -> Result<Self, BadNote> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadNote::Key);
        };
        let key = STANDARD.decode(key).map_err(|_| BadNote::Key)?;
        match key.split_first() {
            Some((&ED25519, key)) => {
                let key = Self::new(name, key)?;
                // One spelling; the id in it is the key's.
                if key.to_string() == text.trim() { Ok(key) } else { Err(BadNote::Key) }
            }
            _ => Err(BadNote::Key),
        }
    }
}
