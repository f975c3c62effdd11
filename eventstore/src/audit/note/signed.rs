use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{KeyId, PublicKey};

/// A note of ours has a few hundred bytes; what is far longer is not worth reading.
const LONGEST: usize = 64 << 10;
const MOST_SIGNATURES: usize = 16;

/// Why a note, or a key for it, is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    #[error("it has not the form of a signed note")]
    Form,
    #[error("it has not the form of a checkpoint of this log")]
    Content,
    #[error("the signature of key {0:?} is wrong")]
    Signature(KeyId),
    #[error("no trusted key has signed it")]
    NoTrustedKey,
    #[error("this is no key for signed notes")]
    Key,
}

/// A text and its signatures. Parsing checks the form, [`SignedNote::signed_by`] the signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// Ends with a newline.
    text: String,
    signatures: Vec<Signed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signed {
    name: String,
    id: KeyId,
    signature: Vec<u8>,
}

impl SignedNote {
    /// A note without signatures yet. `text` ends with a newline.
    #[must_use]
    pub fn unsigned(text: String) -> Self {
        Self { text, signatures: Vec::new() }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn add(&mut self, key: &PublicKey, signature: [u8; 64]) {
        let signed = Signed { name: key.name().to_owned(), id: key.id(), signature: signature.to_vec() };
        self.signatures.push(signed);
    }

    /// Which of these keys have signed it.
    ///
    /// # Errors
    /// [`BadNote::Signature`] when one of them has signed something else, however many others are
    /// right; [`BadNote::NoTrustedKey`] when none has.
    pub fn signed_by<'k>(&self, keys: &'k [PublicKey]) -> Result<Vec<&'k PublicKey>, BadNote> {
        let mut found = Vec::new();
        for signed in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.name() == signed.name && key.id() == signed.id) else {
                continue;
            };
            if !key.checks(&self.text, &signed.signature) {
                return Err(BadNote::Signature(signed.id));
            }
            found.push(key);
        }
        if found.is_empty() { Err(BadNote::NoTrustedKey) } else { Ok(found) }
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signed { name, id, signature } in &self.signatures {
            let signature = STANDARD.encode([&id.0, signature.as_slice()].concat());
            writeln!(f, "— {name} {signature}")?;
        }
        Ok(())
    }
}

impl FromStr for SignedNote {
    type Err = BadNote;

    fn from_str(note: &str) -> Result<Self, BadNote> {
        if note.len() > LONGEST || note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(BadNote::Form);
        }
        // The last empty line: the text may have some of its own.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(BadNote::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(BadNote::Form)?;
        let signatures = lines.split('\n').map(signed).collect::<Option<Vec<_>>>().ok_or(BadNote::Form)?;
        if signatures.len() > MOST_SIGNATURES {
            return Err(BadNote::Form);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }
}

fn signed(line: &str) -> Option<Signed> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    let fine = !name.is_empty() && !name.contains('+') && !signature.is_empty();
    fine.then(|| Signed { name: name.to_owned(), id: KeyId(*id), signature: signature.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification (c2sp.org/signed-note), made by Go's `sumdb/note`.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";

    #[test]
    fn a_note_of_another_implementation_is_believed() {
        let key: PublicKey = KEY.parse().unwrap();
        assert_eq!(key.to_string(), KEY);
        let note: SignedNote = NOTE.parse().unwrap();
        assert_eq!(note.signed_by(std::slice::from_ref(&key)).unwrap(), [&key]);
        assert_eq!(note.to_string(), NOTE);
        let changed: SignedNote = NOTE.replace("your problem is", "a problem is").parse().unwrap();
        assert_eq!(changed.signed_by(std::slice::from_ref(&key)), Err(BadNote::Signature(key.id())));
        assert_eq!(note.signed_by(&[]), Err(BadNote::NoTrustedKey));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for bad in [
            "",
            "text\n",
            "text\n\n",
            "text\n\n— name\n",
            "text\n\n— name AAAA\n",
            "text\n\n- name x08go/ZJkuBS9UG/\n",
            "text\r\n\n— name x08go/ZJkuBS9UG/\n",
            "text\n\n— name x08go/ZJkuBS9UG/",
            "text\n\n— na+me x08go/ZJkuBS9UG/\n",
        ] {
            assert_eq!(bad.parse::<SignedNote>(), Err(BadNote::Form), "{bad:?}");
        }
        for bad in ["", "a+b", "a+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "a+1+AAAA"] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }
}
