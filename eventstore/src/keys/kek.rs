use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{KeyError, NONCE_LEN, NotAuthentic, Secret};

/// Wraps and unwraps keys before and after they are stored.
///
/// Synchronous: it is called once per key and lease. A key-management service belongs behind it
/// by fetching its data key at boot, not by a call per key.
pub trait KeyEncryption: Send + Sync {
    /// Stored beside each wrapped key, so that a rotation knows which rows are still to do.
    fn id(&self) -> &str;

    /// # Errors
    /// [`KeyError::NoRandomness`] when there is none for the nonce.
    fn wrap(&self, secret: &Secret, bound: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// # Errors
    /// [`NotAuthentic`] when the bytes are not what was wrapped under this key for `bound`.
    fn unwrap(&self, wrapped: &[u8], bound: &[u8]) -> Result<Secret, NotAuthentic>;
}

/// A key-encryption key in this process's memory.
pub struct Kek {
    secret: Secret,
    id: String,
}

impl Kek {
    /// Reads the value of `KEK`: 32 bytes as 64 hex digits or as base64 (padding optional).
    ///
    /// # Errors
    /// [`KeyError::KekFormat`], without the text.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        Self::parse(text).ok_or(KeyError::KekFormat("KEK"))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bytes = Zeroizing::new(match text.len() {
            64 => unhex(text)?,
            43 | 44 => base64_32(text)?,
            _ => return None,
        });
        Secret::from_slice(&bytes).map(Self::new)
    }

    pub(super) fn new(secret: Secret) -> Self {
        let id = hex(&Sha256::digest(secret.expose())[..8]);
        Self { secret, id }
    }

    /// The text a key file holds: 64 hex digits and a line feed.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(hex(self.secret.expose()));
        text.push('\n');
        text
    }
}

impl KeyEncryption for Kek {
    /// The first 8 bytes of the key's SHA-256, in hex: says nothing about 32 random bytes.
    fn id(&self) -> &str {
        &self.id
    }

    fn wrap(&self, secret: &Secret, bound: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce);
        // Room for nonce, key and tag, so that no copy of the bare key is left behind by growing.
        let mut buffer = Zeroizing::new(Vec::with_capacity(48));
        buffer.extend_from_slice(secret.expose());
        // 32 bytes are far below the cipher's limit; there is no other way to fail.
        self.secret.encrypt(&nonce, bound, &mut buffer).map_err(|NotAuthentic| KeyError::NoRandomness)?;
        let mut wrapped = Vec::with_capacity(NONCE_LEN + buffer.len());
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(&buffer);
        Ok(wrapped)
    }

    fn unwrap(&self, wrapped: &[u8], bound: &[u8]) -> Result<Secret, NotAuthentic> {
        let (nonce, ciphertext) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(NotAuthentic)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        self.secret.decrypt(nonce, bound, &mut buffer)?;
        Secret::from_slice(&buffer).ok_or(NotAuthentic)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kek({})", self.id)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(32);
    for pair in text.as_bytes().chunks_exact(2) {
        bytes.push(u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?);
    }
    Some(bytes)
}

fn base64_32(text: &str) -> Option<Vec<u8>> {
    let mut padded = Zeroizing::new(String::with_capacity(44));
    padded.push_str(text.trim_end_matches('='));
    padded.push('=');
    STANDARD.decode(padded.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn hex_and_base64_name_the_same_key() {
        for text in [HEX, &HEX.to_uppercase(), BASE64, BASE64.trim_end_matches('='), &format!(" {HEX}\n")] {
            assert_eq!(Kek::from_text(text).unwrap().id(), "630dcd2966c43366", "{text}");
        }
        assert_eq!(Kek::from_text(HEX).unwrap().to_text().trim(), HEX);
    }

    #[test]
    fn a_malformed_key_is_refused_without_repeating_it() {
        for text in
            ["", "secret", &HEX[..62], &HEX.replace('0', "g"), &BASE64.replace('A', "!"), &"é".repeat(32)]
        {
            let error = Kek::from_text(text).unwrap_err().to_string();
            assert_eq!(error, "KEK must hold 32 bytes as 64 hex digits or as base64");
        }
    }

    #[test]
    fn a_key_unwraps_only_under_its_kek_and_for_its_row() {
        let (kek, other) = (Kek::from_text(HEX).unwrap(), Kek::new(Secret::random().unwrap()));
        let secret = Secret::random().unwrap();
        let wrapped = kek.wrap(&secret, b"row 1").unwrap();
        assert_eq!(kek.unwrap(&wrapped, b"row 1").unwrap().expose(), secret.expose());
        assert!(kek.unwrap(&wrapped, b"row 2").is_err());
        assert!(other.unwrap(&wrapped, b"row 1").is_err());
        for place in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[place] ^= 1;
            assert!(kek.unwrap(&changed, b"row 1").is_err(), "byte {place}");
        }
        assert!(kek.unwrap(&wrapped[..10], b"row 1").is_err());
        assert_eq!(format!("{kek:?}"), "Kek(630dcd2966c43366)");
    }
}
