use std::time::{Duration, Instant};

/// A rate is of the last one to two of these.
const SPAN: Duration = Duration::from_secs(300);

/// The share of hits among the lookups of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Rate {
    began: Option<Instant>,
    now: (u64, u64),
    before: (u64, u64),
}

impl Rate {
    pub fn count(&mut self, hit: bool) {
        self.turn();
        self.now.0 += u64::from(hit);
        self.now.1 += 1;
    }

    /// `None` when nobody asked.
    pub fn share(&mut self) -> Option<f64> {
        self.turn();
        let (hits, all) = (self.now.0 + self.before.0, self.now.1 + self.before.1);
        (all > 0).then(|| hits as f64 / all as f64)
    }

    fn turn(&mut self) {
        match self.began {
            Some(began) if began.elapsed() < SPAN => {}
            Some(began) => {
                self.before = if began.elapsed() < 2 * SPAN { self.now } else { (0, 0) };
                self.now = (0, 0);
                self.began = Some(Instant::now());
            }
            None => self.began = Some(Instant::now()),
        }
    }
}
