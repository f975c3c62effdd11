use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::needles::{SHORTEST, forms, slot};

/// So many values of one person are looked for; more take longer and prove no more.
const MOST: usize = 5_000;

/// A value that must not be found any more: 20 bits to find a candidate by, and a hash under the
/// installation's secret key to know it. Nobody reads the value out of it, and without that key
/// nobody can try guesses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    #[serde(rename = "s")]
    pub slot: u32,
    #[serde(rename = "n")]
    pub length: u16,
    #[serde(rename = "h", with = "hash")]
    pub hash: [u8; 32],
}

/// Gathers the fingerprints of a person's values.
pub struct Fingerprints<'a> {
    hash: &'a (dyn Fn(&[u8]) -> [u8; 32] + Sync),
    prints: Vec<Fingerprint>,
}

impl<'a> Fingerprints<'a> {
    #[must_use]
    pub const fn new(hash: &'a (dyn Fn(&[u8]) -> [u8; 32] + Sync)) -> Self {
        Self { hash, prints: Vec::new() }
    }

    /// Every text and number of an opened value.
    pub fn add(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add_text(text),
            Value::Number(number) => self.add_text(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.add(field)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn add_text(&mut self, text: &str) {
        for form in forms(text) {
            let (Some(start), Ok(length)) = (form.first_chunk::<SHORTEST>(), u16::try_from(form.len()))
            else {
                continue;
            };
            if self.prints.len() < MOST {
                self.prints.push(Fingerprint { slot: slot(*start), length, hash: (self.hash)(&form) });
            }
        }
    }

    #[must_use]
    pub fn finish(mut self) -> Vec<Fingerprint> {
        self.prints.sort_unstable_by_key(|print| (print.slot, print.hash));
        self.prints.dedup();
        self.prints
    }
}

mod hash {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(hash))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(D::Error::custom)?;
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::scan::Needles;

    fn keyed(bytes: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(b"secret").chain_update(bytes).finalize().into()
    }

    #[test]
    fn a_value_is_known_by_its_fingerprint_and_cannot_be_read_out_of_it() {
        let mut prints = Fingerprints::new(&keyed);
        prints.add(&json!({"title": "Ada Lovelace", "at": {"lat": 53.561_234_5}, "n": 7, "short": "Ada"}));
        let prints = prints.finish();
        let text = serde_json::to_string(&prints).unwrap();
        assert!(!text.contains("Lovelace") && !text.contains("53.56"));
        let again: Vec<Fingerprint> = serde_json::from_str(&text).unwrap();
        let needles = Needles::fingerprints(&again, Box::new(keyed));
        let found = |bytes: &[u8]| {
            let mut count = 0;
            needles.search(bytes, bytes.len(), |_| count += 1);
            count
        };
        assert_eq!(found(b"about Ada Lovelace, mathematician"), 1);
        assert_eq!(found(b"about Ada Lovelacf, mathematician"), 0);
        assert_eq!(found(&[b"xx".as_slice(), &53.561_234_5_f64.to_le_bytes(), b"yy"].concat()), 1);
        assert_eq!(found(b"7 Ada"), 0, "too short to mean anything");
    }
}
