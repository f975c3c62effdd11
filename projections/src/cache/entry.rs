use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kernel::Position;
use rand::RngExt;
use serde::Serialize;

use super::View;
use crate::ReadError;

/// The shares of its life after which an answer is made anew while it is still served, and that it
/// may lose at random.
const EARLY: f64 = 0.8;
const JITTER: f64 = 0.15;

/// An answer as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// So far, everything is in.
    pub position: Position,
    /// Names it together with the position, where time alone changes it.
    pub moment: i64,
    /// JSON.
    pub body: Bytes,
    /// False for a stopgap that nobody else is to get.
    pub keep: bool,
}

/// A document as a cached answer's body.
///
/// # Errors
/// [`ReadError::Row`] when it does not serialise, which is a defect.
pub fn document<T: Serialize>(document: &T) -> Result<Bytes, ReadError> {
    Ok(serde_json::to_vec(document).map_err(|_| ReadError::Row("a cached view"))?.into())
}

/// An answer that is kept.
#[derive(Debug)]
pub(super) struct Entry {
    pub made: Made,
    born: Instant,
    lives: Duration,
}

impl Entry {
    pub fn new(view: &View, made: Made) -> Self {
        Self::aged(view, made, Duration::ZERO)
    }

    /// One that another process made some time ago.
    pub fn aged(view: &View, made: Made, age: Duration) -> Self {
        let share = 1.0 - rand::rng().random_range(0.0..JITTER);
        let now = Instant::now();
        Self { made, born: now.checked_sub(age).unwrap_or(now), lives: view.ttl.mul_f64(share) }
    }

    pub fn is_over(&self) -> bool {
        self.born.elapsed() >= self.lives
    }

    /// Somebody should make the next one while this one is served.
    pub fn is_old(&self) -> bool {
        self.born.elapsed() >= self.lives.mul_f64(EARLY)
    }

    pub fn left(&self) -> Duration {
        self.lives.saturating_sub(self.born.elapsed())
    }
}

/// As it is in Redis: a line with position, moment and the time it was made, then the body.
pub(super) fn packed(made: &Made) -> Vec<u8> {
    let mut bytes = format!("{} {} {}\n", made.position, made.moment, unix_ms()).into_bytes();
    bytes.extend_from_slice(&made.body);
    bytes
}

/// `None` for anything else than [`packed`] makes.
pub(super) fn unpacked(view: &View, bytes: &[u8]) -> Option<Entry> {
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let mut numbers = std::str::from_utf8(&bytes[..line]).ok()?.split(' ').map(str::parse::<i64>);
    let (position, moment, at) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    if numbers.next().is_some() || position < 0 {
        return None;
    }
    let body = Bytes::copy_from_slice(&bytes[line + 1..]);
    serde_json::from_slice::<serde::de::IgnoredAny>(&body).ok()?;
    // Another machine's clock may be ahead; it is gone from Redis at its end in any case.
    let age = Duration::from_millis(u64::try_from(unix_ms().saturating_sub(at)).unwrap_or(0));
    let made = Made { position, moment, body, keep: true };
    (age < view.ttl).then(|| Entry::aged(view, made, age))
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::STATS;

    #[test]
    fn only_what_we_packed_is_unpacked() {
        let made = Made { position: 7, moment: -3, body: Bytes::from_static(b"{\"a\":\"\\n\"}"), keep: true };
        let entry = unpacked(&STATS, &packed(&made)).unwrap();
        assert_eq!(entry.made, made);
        assert!(!entry.is_over() && !entry.is_old());
        let now = unix_ms();
        let old = format!("7 1 {}\n{{}}", now - 61_000);
        for bad in [
            "",
            "\n{}",
            "7 1\n{}",
            &format!("7 1 {now} 9\n{{}}"),
            &format!("-7 1 {now}\n{{}}"),
            &format!("7 1 {now}\n{{"),
            &format!("7 1 {now}"),
            &format!("x 1 {now}\n{{}}"),
            &old,
            &format!("7 1 {}\n{{}}", i64::MIN),
        ] {
            assert!(unpacked(&STATS, bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
