use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use crate::http::NAMESPACE;

/// As many as have a name in the world's news.
const CITIES: usize = 400;
/// Accounts that tie; the first of them most.
const PEOPLE: usize = 10_000;

/// Where nodes are and whose: Zipf's law for both, with the first city holding about a sixth.
pub struct Cities {
    centres: Vec<(f64, f64)>,
    /// Sums of the shares up to each city, the last one 1.
    shares: Vec<f64>,
    people: Vec<Uuid>,
    people_shares: Vec<f64>,
    seed: u64,
}

/// Chance that is the same in every run.
pub struct Chance(StdRng);

impl Cities {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let centres =
            (0..CITIES).map(|_| (random.random_range(-45.0..65.0), random.random_range(-179.0..179.0)));
        let people = (0..PEOPLE).map(|number| Uuid::new_v5(&NAMESPACE, &(number as u64).to_be_bytes()));
        Self {
            centres: centres.collect(),
            shares: zipf(CITIES),
            people: people.collect(),
            people_shares: zipf(PEOPLE),
            seed,
        }
    }

    #[must_use]
    pub fn chance(&self, stream: u64) -> Chance {
        Chance(StdRng::seed_from_u64(self.seed.wrapping_mul(1_000_003).wrapping_add(stream)))
    }

    /// A place: near the middle of its city as a rule, some 10 km away now and then.
    #[must_use]
    pub fn place(&self, chance: &mut Chance) -> (f64, f64) {
        let (lat, lon) = self.centre(chance);
        // The sum of six is round enough for a bell.
        let mut bell = || (0..6).map(|_| chance.0.random_range(-0.5..0.5)).sum::<f64>();
        (lat + bell() * 0.08, (lon + bell() * 0.12).clamp(-180.0, 180.0))
    }

    #[must_use]
    pub fn person(&self, chance: &mut Chance) -> Uuid {
        self.people[pick(&self.people_shares, chance)]
    }

    /// The map of a city, the larger ones oftener, not always its middle.
    #[must_use]
    pub fn bbox(&self, chance: &mut Chance) -> String {
        let (lat, lon) = self.centre(chance);
        let (lat, lon) = (lat + chance.0.random_range(-0.02..0.02), lon + chance.0.random_range(-0.03..0.03));
        let (south, north) = (lat - 0.1, lat + 0.1);
        let (west, east) = ((lon - 0.2).max(-180.0), (lon + 0.2).min(180.0));
        format!("{west:.4},{south:.4},{east:.4},{north:.4}")
    }

    fn centre(&self, chance: &mut Chance) -> (f64, f64) {
        self.centres[pick(&self.shares, chance)]
    }
}

fn zipf(count: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums: Vec<f64> = (1..=count)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    sums.iter_mut().for_each(|share| *share /= sum);
    sums
}

fn pick(shares: &[f64], chance: &mut Chance) -> usize {
    let at = chance.0.random_range(0.0..1.0);
    shares.partition_point(|share| *share < at).min(shares.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_cities_hold_most_and_every_run_is_the_same() {
        let cities = Cities::new(11);
        let mut counts = vec![0_u32; CITIES];
        let mut chance = cities.chance(1);
        for _ in 0..100_000 {
            counts[pick(&cities.shares, &mut chance)] += 1;
        }
        let first: u32 = counts[..20].iter().sum();
        assert!((0.12..0.19).contains(&(f64::from(counts[0]) / 100_000.0)), "{}", counts[0]);
        assert!(first > 50_000, "{first}");
        let places = |seed| {
            let cities = Cities::new(seed);
            let mut chance = cities.chance(7);
            (0..50).map(|_| cities.place(&mut chance)).collect::<Vec<_>>()
        };
        assert_eq!(places(11), places(11));
        assert_ne!(places(11), places(12));
        assert!(places(11).iter().all(|(lat, lon)| lat.abs() < 90.0 && lon.abs() <= 180.0));
    }
}
