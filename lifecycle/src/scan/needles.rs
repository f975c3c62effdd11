use std::collections::HashMap;

use super::Fingerprint;

/// Bytes of the shortest value that is looked for.
pub const SHORTEST: usize = 8;

/// Bits of the look-up by a value's first eight bytes.
const BITS: u32 = 20;

/// The keyed hash of a candidate's bytes.
pub type FingerprintOf = Box<dyn Fn(&[u8]) -> [u8; 32] + Send + Sync>;

/// Everything that is looked for, found in one pass whatever its number: the first eight bytes at
/// each offset lead to a bit, and only where it is set somebody looks closer.
pub struct Needles {
    filter: Vec<u64>,
    by_slot: HashMap<u32, Vec<Needle>>,
    count: usize,
    longest: usize,
    /// Checks a fingerprint's candidate.
    hash: FingerprintOf,
}

struct Needle {
    length: usize,
    check: Check,
}

enum Check {
    Exact(Vec<u8>),
    Hash([u8; 32]),
}

/// Which bit a value's beginning leads to: 20 of 64 bits, so that it says little about them.
pub(super) fn slot(start: [u8; 8]) -> u32 {
    let mixed = u64::from_le_bytes(start).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // The top bits depend on all bytes.
    (mixed >> (64 - BITS)) as u32
}

fn start(bytes: &[u8]) -> Option<[u8; 8]> {
    bytes.first_chunk::<SHORTEST>().copied()
}

/// The forms in which a value can lie around: a text as it is and as JSON escapes it, a number
/// besides as a float in both byte orders.
pub(super) fn forms(value: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![value.as_bytes().to_vec()];
    if let Ok(escaped) = serde_json::to_string(value) {
        forms.push(escaped.trim_matches('"').as_bytes().to_vec());
        let ascii: String = escaped
            .trim_matches('"')
            .chars()
            .flat_map(|c| {
                let mut units = [0; 2];
                match c.is_ascii() {
                    true => vec![c.to_string()],
                    false => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
                }
            })
            .collect();
        forms.push(ascii.into_bytes());
    }
    // `7` or `2026` as a float is eight bytes of mostly zeros, which stand everywhere.
    if let Ok(number) = value.parse::<f64>()
        && number.fract() != 0.0
    {
        forms.push(number.to_be_bytes().to_vec());
        forms.push(number.to_le_bytes().to_vec());
    }
    forms.sort_unstable();
    forms.dedup();
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

impl Needles {
    fn empty(hash: FingerprintOf) -> Self {
        Self { filter: vec![0; 1 << (BITS - 6)], by_slot: HashMap::new(), count: 0, longest: 0, hash }
    }

    fn add(&mut self, slot: u32, needle: Needle) {
        self.filter[(slot >> 6) as usize] |= 1 << (slot & 63);
        self.longest = self.longest.max(needle.length);
        self.by_slot.entry(slot).or_default().push(needle);
    }

    /// Words and numbers as they are, one a line; the second value tells those that are too short
    /// to be looked for.
    #[must_use]
    pub fn canaries(lines: &str) -> (Self, Vec<String>) {
        let mut needles = Self::empty(Box::new(|_| [0; 32]));
        let mut short = Vec::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let forms = forms(line);
            match forms.is_empty() {
                true => short.push(line.to_owned()),
                false => needles.count += 1,
            }
            for form in forms {
                if let Some(start) = start(&form) {
                    needles.add(slot(start), Needle { length: form.len(), check: Check::Exact(form) });
                }
            }
        }
        (needles, short)
    }

    /// Fingerprints, and the keyed hash they were made with.
    #[must_use]
    pub fn fingerprints(prints: &[Fingerprint], hash: FingerprintOf) -> Self {
        let mut needles = Self::empty(hash);
        needles.count = prints.len();
        for Fingerprint { slot, length, hash } in prints {
            let length = usize::from(*length);
            if *slot < 1 << BITS && length >= SHORTEST {
                needles.add(*slot, Needle { length, check: Check::Hash(*hash) });
            }
        }
        needles
    }

    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// So many bytes of the end of one piece belong before the next.
    #[must_use]
    pub const fn overlap(&self) -> usize {
        self.longest.saturating_sub(1)
    }

    /// Calls `found` with the offset of each hit that begins before `until`.
    pub fn search(&self, bytes: &[u8], until: usize, mut found: impl FnMut(usize)) {
        for offset in 0..until.min(bytes.len().saturating_sub(SHORTEST - 1)) {
            let Some(start) = start(&bytes[offset..]) else { return };
            let slot = slot(start);
            if self.filter[(slot >> 6) as usize] & (1 << (slot & 63)) == 0 {
                continue;
            }
            let rest = &bytes[offset..];
            let hit = self.by_slot.get(&slot).into_iter().flatten().any(|needle| {
                rest.get(..needle.length).is_some_and(|candidate| match &needle.check {
                    Check::Exact(exact) => candidate == exact.as_slice(),
                    Check::Hash(hash) => (self.hash)(candidate) == *hash,
                })
            });
            if hit {
                found(offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(needles: &Needles, bytes: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        needles.search(bytes, bytes.len(), |offset| found.push(offset));
        found
    }

    #[test]
    fn a_word_is_found_at_every_offset_and_in_every_form() {
        let (needles, short) = Needles::canaries("Kanarienvogel\nAda\n53.5612345\n\"Käfig\" am See\n");
        assert_eq!((needles.count(), short), (3, vec!["Ada".to_owned()]));
        for offset in 0..40 {
            let mut bytes = vec![b'.'; offset];
            bytes.extend(b"Kanarienvogel");
            bytes.extend(vec![b'.'; 7]);
            assert_eq!(hits(&needles, &bytes), [offset]);
        }
        for form in [
            53.561_234_5_f64.to_be_bytes().to_vec(),
            53.561_234_5_f64.to_le_bytes().to_vec(),
            b"53.5612345".to_vec(),
            "\"Käfig\" am See".as_bytes().to_vec(),
            r#"\"Käfig\" am See"#.as_bytes().to_vec(),
            r#"\"K\u00e4fig\" am See"#.as_bytes().to_vec(),
        ] {
            let bytes = [b"xxx", form.as_slice(), b"yyy"].concat();
            assert!(hits(&needles, &bytes).contains(&3) || hits(&needles, &bytes).contains(&4), "{form:?}");
        }
        assert_eq!(hits(&needles, b"Kanarienvoge"), [] as [usize; 0]);
        assert_eq!(hits(&needles, b"Kanarienvogex"), [] as [usize; 0]);
    }
}
