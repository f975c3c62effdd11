//! Callers in a closed loop: each asks again as soon as it was answered.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

/// One client. Keeps its state (the versions it knows) from turn to turn.
pub trait Caller: Send + 'static {
    /// Does one thing and says how many events (rows, requests) it was.
    fn call(&mut self) -> impl Future<Output = anyhow::Result<u64>> + Send;
}

/// How long a turn warms up, uncounted, and how long it then counts.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Fills caches and prepares statements; too short, and the first second of every contestant
    /// is measured again and again.
    pub warm: Duration,
    pub measure: Duration,
}

/// What one contestant reached in one turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    pub per_second: f64,
    /// Milliseconds; nothing where single calls have no meaning (COPY).
    pub latency: Option<Latency>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// Lets all callers run for one turn and gives them back.
///
/// # Errors
/// The first error of a caller: a benchmark in which calls fail says nothing.
pub async fn drive<C: Caller>(callers: Vec<C>, pace: Pace) -> anyhow::Result<(Vec<C>, Turn)> {
    let begin = Instant::now() + pace.warm;
    let end = begin + pace.measure;
    let mut tasks = JoinSet::new();
    let count = callers.len();
    for (index, caller) in callers.into_iter().enumerate() {
        tasks.spawn(async move { (index, until(caller, begin, end).await) });
    }
    let mut back: Vec<Option<C>> = (0..count).map(|_| None).collect();
    let mut micros = Vec::new();
    let mut things = 0;
    while let Some(joined) = tasks.join_next().await {
        let (index, done) = joined?;
        let (caller, mut own, counted) = done?;
        back[index] = Some(caller);
        micros.append(&mut own);
        things += counted;
    }
    let per_second = things as f64 / pace.measure.as_secs_f64();
    Ok((back.into_iter().flatten().collect(), Turn { per_second, latency: latency(&mut micros) }))
}

async fn until<C: Caller>(mut caller: C, begin: Instant, end: Instant) -> anyhow::Result<(C, Vec<u32>, u64)> {
    let mut micros = Vec::with_capacity(4096);
    let mut things = 0;
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok((caller, micros, things));
        }
        let done = caller.call().await?;
        let answered = Instant::now();
        // Counted where it ended: a call across the border is in one turn, not in none.
        if answered >= begin && answered < end {
            things += done;
            micros.push(u32::try_from((answered - asked).as_micros()).unwrap_or(u32::MAX));
        }
    }
}

/// Percentiles of single calls, in microseconds; sorts them.
pub fn latency(micros: &mut [u32]) -> Option<Latency> {
    micros.sort_unstable();
    let at = |share: f64| {
        let index = ((micros.len() as f64 * share) as usize).min(micros.len().checked_sub(1)?);
        Some(f64::from(micros[index]) / 1000.0)
    };
    Some(Latency { p50_ms: at(0.50)?, p99_ms: at(0.99)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Every(Duration);

    impl Caller for Every {
        async fn call(&mut self) -> anyhow::Result<u64> {
            tokio::time::sleep(self.0).await;
            Ok(2)
        }
    }

    #[tokio::test]
    async fn a_turn_counts_what_ended_in_it() {
        let pace = Pace { warm: Duration::from_millis(20), measure: Duration::from_millis(200) };
        let callers = vec![Every(Duration::from_millis(10)), Every(Duration::from_millis(10))];
        let (callers, turn) = drive(callers, pace).await.unwrap();
        assert_eq!(callers.len(), 2);
        // At most 2 callers × 20 calls × 2 things in 0.2 s; a busy machine is slower.
        assert!(turn.per_second > 50.0 && turn.per_second <= 420.0, "{turn:?}");
        assert!(turn.latency.unwrap().p50_ms >= 10.0);
    }

    #[test]
    fn percentiles_of_nothing_are_nothing() {
        assert_eq!(latency(&mut []), None);
        let mut hundred: Vec<u32> = (1..=100).rev().map(|n| n * 1000).collect();
        assert_eq!(latency(&mut hundred), Some(Latency { p50_ms: 51.0, p99_ms: 100.0 }));
    }
}
