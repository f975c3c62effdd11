use tokio::time::Instant;

/// Frames a second, in the long run.
const RATE: f64 = 10.0;
/// At once, after a silence.
const BURST: f64 = 20.0;

/// How many frames a client may send.
#[derive(Debug)]
pub struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    #[must_use]
    pub fn full(now: Instant) -> Self {
        Self { tokens: BURST, at: now }
    }

    /// Whether one more is allowed now.
    pub fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + since * RATE).min(BURST);
        self.at = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_a_second_and_twenty_at_once() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let allowed =
            |bucket: &mut Bucket, at: Instant, tries: u32| (0..tries).filter(|_| bucket.take(at)).count();
        assert_eq!(allowed(&mut bucket, start, 50), 20);
        let mut at = start;
        let mut in_ten_seconds = 0;
        for _ in 0..1_000 {
            at += Duration::from_millis(10);
            in_ten_seconds += allowed(&mut bucket, at, 1);
        }
        assert!((99..=101).contains(&in_ten_seconds), "{in_ten_seconds}");
        assert_eq!(allowed(&mut bucket, at + Duration::from_secs(60), 50), 20);
    }
}
