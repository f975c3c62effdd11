//! Turns of several contestants, round by round, and what follows from them.

use crate::{
    load::{Latency, Turn},
    report::Run,
};

/// All turns of one contestant, one per round.
#[derive(Debug, Clone)]
pub struct Record {
    pub name: String,
    turns: Vec<Turn>,
}

/// All contestants of one comparison. Every contestant has one turn in every round.
#[derive(Debug, Default)]
pub struct Rounds {
    records: Vec<Record>,
}

impl Rounds {
    pub fn add(&mut self, name: &str, turn: Turn) {
        match self.records.iter_mut().find(|record| record.name == name) {
            Some(record) => record.turns.push(turn),
            None => self.records.push(Record { name: name.to_owned(), turns: vec![turn] }),
        }
    }

    /// The median of the ratios of each round: both had their turns within seconds, so what else
    /// the machine did in those seconds slowed both.
    #[must_use]
    pub fn ratio(&self, of: &str, to: &str) -> Option<f64> {
        let (of, to) = (self.find(of)?, self.find(to)?);
        let ratios = of.turns.iter().zip(&to.turns).map(|(a, b)| a.per_second / b.per_second);
        median(ratios.collect())
    }

    /// One line per contestant with its median, and one for each percentile.
    #[must_use]
    pub fn runs(&self, prefix: &str, unit: &str) -> Vec<Run> {
        self.records.iter().flat_map(|record| record.runs(prefix, unit)).collect()
    }

    fn find(&self, name: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.name == name)
    }
}

impl Record {
    fn runs(&self, prefix: &str, unit: &str) -> Vec<Run> {
        let of = |value: fn(&Turn) -> f64| median(self.turns.iter().map(value).collect()).unwrap_or(0.0);
        let latencies: Vec<Latency> = self.turns.iter().filter_map(|turn| turn.latency).collect();
        let percentile = |value: fn(&Latency) -> f64| median(latencies.iter().map(value).collect());
        let name = format!("{prefix}/{}", self.name);
        let mut runs = vec![Run::new(&name, of(|turn| turn.per_second), unit)];
        let p50 = percentile(|latency| latency.p50_ms).map(|ms| Run::new(&format!("{name}/p50"), ms, "ms"));
        let p99 = percentile(|latency| latency.p99_ms).map(|ms| Run::new(&format!("{name}/p99"), ms, "ms"));
        runs.extend(p50.into_iter().chain(p99));
        runs
    }
}

/// The middle one; of an even number the mean of the two in the middle.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(per_second: f64) -> Turn {
        Turn { per_second, latency: None }
    }

    #[test]
    fn a_slow_minute_that_hit_both_does_not_move_the_ratio() {
        let mut rounds = Rounds::default();
        for (ours, theirs) in [(100.0, 10.0), (20.0, 2.0), (100.0, 10.0)] {
            rounds.add("ours", turn(ours));
            rounds.add("theirs", turn(theirs));
        }
        assert_eq!(rounds.ratio("ours", "theirs"), Some(10.0));
        assert_eq!(rounds.ratio("ours", "nobody"), None);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
