use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

/// How many aggregates there are, in every store.
pub const COUNT: usize = 10_000;

/// One aggregate and its version, as its only writer knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub id: Uuid,
    pub version: i64,
}

/// What one caller writes to.
#[derive(Debug)]
pub struct Share {
    known: Vec<Known>,
    random: StdRng,
}

impl Share {
    /// Any of them: nobody works through his aggregates in order.
    pub fn any(&mut self) -> &mut Known {
        let index = self.random.random_range(0..self.known.len());
        &mut self.known[index]
    }

    pub fn random(&mut self) -> &mut StdRng {
        &mut self.random
    }
}

/// All aggregates of one store.
#[derive(Debug)]
pub struct Aggregates(Vec<Known>);

impl Aggregates {
    /// Ids as real ones are made (UUIDv7), each with 1 to 16 events, most with few: the versions
    /// that seeding gives them.
    pub fn new() -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let mut version = || {
            let coin: u32 = random.random();
            i64::from(coin.trailing_zeros().min(15)) + 1
        };
        Self((0..COUNT).map(|_| Known { id: Uuid::now_v7(), version: version() }).collect())
    }

    pub fn all(&self) -> &[Known] {
        &self.0
    }

    /// Takes everything out, in equal shares.
    pub fn shares(&mut self, callers: usize) -> Vec<Share> {
        let mut shares: Vec<Vec<Known>> = vec![Vec::with_capacity(COUNT / callers + 1); callers];
        // Dealt like cards: neighbouring ids go to different callers, as in life.
        for (index, known) in self.0.drain(..).enumerate() {
            shares[index % callers].push(known);
        }
        let share = |(index, known)| Share { known, random: StdRng::seed_from_u64(index as u64) };
        shares.into_iter().enumerate().map(share).collect()
    }

    pub fn rejoin(shares: impl Iterator<Item = Share>) -> Self {
        Self(shares.flat_map(|share| share.known).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_disjoint_and_come_back_whole() {
        let mut aggregates = Aggregates::new();
        let before: std::collections::BTreeSet<Uuid> =
            aggregates.all().iter().map(|known| known.id).collect();
        let mut shares = aggregates.shares(256);
        assert!(shares.iter().all(|share| (39..=40).contains(&share.known.len())));
        shares[7].any().version += 1;
        let after = Aggregates::rejoin(shares.into_iter());
        let ids: std::collections::BTreeSet<Uuid> = after.all().iter().map(|known| known.id).collect();
        assert_eq!((before.len(), ids), (COUNT, before));
    }
}
