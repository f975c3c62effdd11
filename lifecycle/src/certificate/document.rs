use chrono::{DateTime, Utc};
use domain::platform::person::Contents;
use ed25519_dalek::{Signature, VerifyingKey};
use eventstore::canonical::canonical;
use kernel::{Class, Position};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::CertificateKey;
use crate::{LifecycleError, scan::ScanReport};

/// What stands in front of what is signed, so that no other signature of the key fits.
const CONTEXT: &[u8] = b"weltgewebe forget certificate 1\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finality {
    /// Everything is done; a second scan follows a day later.
    Provisional,
    Final,
}

/// One step of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLine {
    pub step: String,
    pub done_at: DateTime<Utc>,
    /// Counts and positions.
    pub detail: Value,
}

/// Names a request and no person: the request's id is known to who asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub format: u8,
    pub finality: Finality,
    pub request: Uuid,
    pub content: Contents,
    /// What can no longer be decrypted.
    pub classes: Vec<Class>,
    pub requested_at: DateTime<Utc>,
    pub shredded_at: DateTime<Utc>,
    pub issued_at: DateTime<Utc>,
    pub epoch: i32,
    /// Head of the log before the work and after it.
    pub position_before: Position,
    pub position_after: Position,
    pub steps: Vec<StepLine>,
    pub scan: ScanReport,
    /// From this moment on no backup of the key store holds a key of the person.
    pub key_backups_gone_at: DateTime<Utc>,
    /// `backups expire`, or `key-encryption key destroyed`.
    pub key_backups_gone_by: String,
    /// ed25519, hex.
    pub public_key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// Outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// Signed by the key that was given.
    Authentic,
    /// Signed by the key it names, and nobody said which one is right.
    SelfConsistent,
    /// Changed, cut or signed by another.
    Wrong(&'static str),
}

impl Certificate {
    fn signed_bytes(&self) -> Result<Vec<u8>, LifecycleError> {
        let bare = Self { signature: String::new(), ..self.clone() };
        let value = serde_json::to_value(&bare).map_err(|error| LifecycleError::Other(error.to_string()))?;
        let text = canonical(&value).map_err(|error| LifecycleError::Other(error.to_string()))?;
        Ok([CONTEXT, text.as_bytes()].concat())
    }

    /// # Errors
    /// [`LifecycleError::Other`] when it has no canonical form.
    pub fn sign(mut self, key: &CertificateKey) -> Result<Self, LifecycleError> {
        self.public_key = hex::encode(key.public().as_bytes());
        self.signature = key.sign(&self.signed_bytes()?);
        Ok(self)
    }

    /// Checks the signature, by the key given or else by the one it names, and that what it says
    /// can be: a certificate with hits certifies nothing.
    ///
    /// # Errors
    /// [`LifecycleError::Other`] when it has no canonical form.
    pub fn check(&self, trusted: Option<&[u8; 32]>) -> Result<Checked, LifecycleError> {
        let mut named = [0; 32];
        if hex::decode_to_slice(&self.public_key, &mut named).is_err() {
            return Ok(Checked::Wrong("its public key is none"));
        }
        if trusted.is_some_and(|trusted| *trusted != named) {
            return Ok(Checked::Wrong("it is signed by another key than the one given"));
        }
        let mut signature = [0; 64];
        if hex::decode_to_slice(&self.signature, &mut signature).is_err() {
            return Ok(Checked::Wrong("its signature is none"));
        }
        let Ok(key) = VerifyingKey::from_bytes(&named) else {
            return Ok(Checked::Wrong("its public key is none"));
        };
        // Strict: no second signature fits the same text.
        if key.verify_strict(&self.signed_bytes()?, &Signature::from_bytes(&signature)).is_err() {
            return Ok(Checked::Wrong("its text is not what was signed"));
        }
        if self.format != 1 {
            return Ok(Checked::Wrong("it is of a format this program does not know"));
        }
        if self.scan.hits() > 0 || self.scan.unread() > 0 {
            return Ok(Checked::Wrong("its own scan found something, or could not look everywhere"));
        }
        Ok(if trusted.is_some() { Checked::Authentic } else { Checked::SelfConsistent })
    }

    /// # Errors
    /// The text is no certificate.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// # Errors
    /// [`LifecycleError::Other`] when it does not serialise.
    pub fn json(&self) -> Result<String, LifecycleError> {
        serde_json::to_string_pretty(self).map_err(|error| LifecycleError::Other(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scan::StoreScan;

    fn certificate() -> Certificate {
        Certificate {
            format: 1,
            finality: Finality::Provisional,
            request: Uuid::from_u128(7),
            content: Contents::Erase,
            classes: Class::ALL.to_vec(),
            requested_at: DateTime::UNIX_EPOCH,
            shredded_at: DateTime::UNIX_EPOCH,
            issued_at: DateTime::UNIX_EPOCH,
            epoch: 1,
            position_before: 10,
            position_after: 13,
            steps: vec![StepLine {
                step: "shred".to_owned(),
                done_at: DateTime::UNIX_EPOCH,
                detail: json!({"keys": 4}),
            }],
            scan: ScanReport { needles: 5, stores: vec![StoreScan::default()] },
            key_backups_gone_at: DateTime::UNIX_EPOCH,
            key_backups_gone_by: "backups expire".to_owned(),
            public_key: String::new(),
            signature: String::new(),
        }
    }

    #[test]
    fn a_certificate_is_checked_offline_and_no_character_of_it_can_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let key = CertificateKey::load(&folder.path().join("certificate")).unwrap();
        let signed = certificate().sign(&key).unwrap();
        let trusted = key.public().to_bytes();
        assert_eq!(signed.check(Some(&trusted)).unwrap(), Checked::Authentic);
        assert_eq!(signed.check(None).unwrap(), Checked::SelfConsistent);
        let other = CertificateKey::load(&folder.path().join("other")).unwrap().public().to_bytes();
        assert!(matches!(signed.check(Some(&other)).unwrap(), Checked::Wrong(_)));
        let text = signed.json().unwrap();
        assert_eq!(Certificate::parse(&text).unwrap(), signed);
        let mut refused = 0;
        for (at, byte) in text.bytes().enumerate() {
            if !byte.is_ascii_alphanumeric() {
                continue;
            }
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if byte == b'1' { b'2' } else { b'1' };
            let Ok(changed) = Certificate::parse(&String::from_utf8(bytes).unwrap()) else { continue };
            // Another spelling of the same (upper case in an id or in hex) is the same.
            if changed == signed {
                continue;
            }
            assert!(matches!(changed.check(Some(&trusted)).unwrap(), Checked::Wrong(_)), "byte {at}");
            refused += 1;
        }
        assert!(refused > 100, "{refused}");
    }

    #[test]
    fn a_scan_with_hits_certifies_nothing_whoever_signs_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = CertificateKey::load(&folder.path().join("certificate")).unwrap();
        let mut found = certificate();
        found.scan.stores[0].hits = 1;
        assert!(matches!(found.sign(&key).unwrap().check(None).unwrap(), Checked::Wrong(_)));
        let mut skipped = certificate();
        skipped.scan.stores[0].skipped.push("public.somebodys".to_owned());
        assert!(matches!(skipped.sign(&key).unwrap().check(None).unwrap(), Checked::Wrong(_)));
    }
}
