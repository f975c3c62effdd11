use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

/// Bits, a power of two: 4 MiB. With three million keys one answer in a hundred is a "maybe" too
/// many, which costs a look-up; with many more all are.
const BITS: u64 = 1 << 25;
/// Bits per key.
const PROBES: u64 = 4;

/// Which keys a generation may have rows of: those that were written since it was empty. A fill
/// that began at the log's first event need not look up any others, and most are others.
pub(crate) struct Seen(Vec<AtomicU64>);

impl Seen {
    pub fn nothing() -> Self {
        Self((0..BITS / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// False: certainly not. Adds it.
    pub fn maybe(&self, key: &impl Hash) -> bool {
        let mut seen = true;
        for bit in bits(key) {
            let (word, mask) = ((bit / 64) as usize, 1 << (bit % 64));
            seen &= self.0[word].fetch_or(mask, Ordering::Relaxed) & mask != 0;
        }
        seen
    }
}

fn bits(key: &impl Hash) -> impl Iterator<Item = u64> {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let hash = hasher.finish();
    let (first, step) = (hash >> 32, (hash & 0xffff_ffff) | 1);
    (0..PROBES).map(move |probe| first.wrapping_add(step.wrapping_mul(probe)) % BITS)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_is_new_once_and_known_ever_after() {
        let (seen, keys) = (Seen::nothing(), (0..20_000).map(|_| Uuid::now_v7()).collect::<Vec<_>>());
        let wrong = keys.iter().filter(|key| seen.maybe(*key)).count();
        assert!(wrong < 20, "{wrong} of 20,000 new keys seemed known");
        assert!(keys.iter().all(|key| seen.maybe(key)));
    }
}
