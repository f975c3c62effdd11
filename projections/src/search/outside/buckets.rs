//! Documents as sums: what is compared holds neither side's ids, however many there are.

use kernel::Position;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const BUCKETS: usize = 4_096;

/// What the documents of a bucket come to, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    hash: u64,
    count: usize,
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub(super) struct Sums(Vec<Bucket>);

impl Default for Sums {
    fn default() -> Self {
        Self(vec![Bucket::default(); BUCKETS])
    }
}

impl Sums {
    pub fn add(&mut self, id: Uuid, position: Position) {
        let digest =
            Sha256::new().chain_update(id.as_bytes()).chain_update(position.to_be_bytes()).finalize();
        let mut eight = [0; 8];
        eight.copy_from_slice(&digest[..8]);
        let bucket = &mut self.0[bucket_of(id)];
        // The sum does not depend on the order; unlike XOR, twice the same is not nothing.
        bucket.hash = bucket.hash.wrapping_add(u64::from_be_bytes(eight));
        bucket.count += 1;
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|bucket| bucket.count).sum()
    }

    /// The buckets that differ, in groups whose documents fit into memory at once.
    pub fn differing(&self, other: &Self, at_once: usize) -> Vec<Group> {
        let mut groups: Vec<(Group, usize)> = Vec::new();
        for (number, (ours, theirs)) in self.0.iter().zip(&other.0).enumerate() {
            if ours == theirs {
                continue;
            }
            let documents = ours.count.max(theirs.count);
            match groups.last_mut() {
                Some((group, so_far)) if *so_far + documents <= at_once => {
                    group.0[number] = true;
                    *so_far += documents;
                }
                _ => {
                    let mut group = Group(vec![false; BUCKETS]);
                    group.0[number] = true;
                    groups.push((group, documents));
                }
            }
        }
        groups.into_iter().map(|(group, _)| group).collect()
    }
}

/// Some of the buckets.
#[derive(Debug, Clone)]
pub(super) struct Group(Vec<bool>);

impl Group {
    pub fn has(&self, id: Uuid) -> bool {
        self.0[bucket_of(id)]
    }
}

/// By the end of an id: its beginning is a time.
fn bucket_of(id: Uuid) -> usize {
    let bytes = id.as_bytes();
    usize::from(u16::from_be_bytes([bytes[14], bytes[15]])) % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(documents: impl IntoIterator<Item = (u128, Position)>) -> Sums {
        let mut sums = Sums::default();
        for (number, position) in documents {
            sums.add(Uuid::from_u128(number), position);
        }
        sums
    }

    #[test]
    fn one_position_changes_its_bucket_and_no_other() {
        let before = sums((0..10_000).map(|number| (number, 7)));
        let after = sums((0..10_000).map(|number| (number, if number == 3 { 8 } else { 7 })));
        assert_eq!(before.count(), 10_000);
        assert!(before.differing(&before, 1).is_empty());
        let groups = before.differing(&after, 1_000);
        let [group] = &groups[..] else { panic!("{groups:?}") };
        let seen: Vec<u128> = (0..10_000).filter(|number| group.has(Uuid::from_u128(*number))).collect();
        assert_eq!(seen, [3, 3 + BUCKETS as u128, 3 + 2 * BUCKETS as u128]);
    }

    #[test]
    fn the_order_does_not_matter_and_twice_is_not_never() {
        let (forth, back) = (sums([(1, 1), (2, 2)]), sums([(2, 2), (1, 1)]));
        assert!(forth.differing(&back, 1).is_empty());
        assert_eq!(sums([(1, 1), (1, 1)]).differing(&sums([]), 1).len(), 1);
    }

    #[test]
    fn groups_stay_below_what_fits() {
        let (all, none) = (sums((0..50_000).map(|number| (number, 1))), Sums::default());
        let groups = all.differing(&none, 5_000);
        assert!(groups.len() > 9, "{}", groups.len());
        let of = |group: &Group| (0..50_000).filter(|number| group.has(Uuid::from_u128(*number))).count();
        assert!(groups.iter().all(|group| of(group) <= 5_000));
        assert_eq!(groups.iter().map(of).sum::<usize>(), 50_000);
    }
}
