//! Callers in an open loop: requests are due at fixed times, whether the ones before have been
//! answered or not, and waiting for one's turn counts. A closed loop would ask less of a server
//! that is slow, and call it fast.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::load::{Caller, Turn, latency};

/// Lets the callers share `rate` requests a second for `span`, the first tenth of it uncounted.
///
/// # Errors
/// The first error of a caller.
pub async fn paced<C: Caller>(callers: Vec<C>, rate: f64, span: Duration) -> anyhow::Result<(Vec<C>, Turn)> {
    let count = callers.len();
    let began = Instant::now();
    let (warm, end) = (began + span / 10, began + span);
    let mut tasks = JoinSet::new();
    for (index, mut caller) in callers.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut micros = Vec::new();
            let mut things = 0;
            for number in (index..).step_by(count) {
                let due = began + Duration::from_secs_f64(number as f64 / rate);
                if due >= end {
                    break;
                }
                tokio::time::sleep_until(due.into()).await;
                let done = caller.call().await?;
                if due >= warm {
                    things += done;
                    micros.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
            }
            anyhow::Ok((index, caller, micros, things))
        });
    }
    let mut back: Vec<Option<C>> = (0..count).map(|_| None).collect();
    let (mut micros, mut things) = (Vec::new(), 0);
    while let Some(joined) = tasks.join_next().await {
        let (index, caller, mut own, counted) = joined??;
        back[index] = Some(caller);
        micros.append(&mut own);
        things += counted;
    }
    let per_second = things as f64 / (span * 9 / 10).as_secs_f64();
    Ok((back.into_iter().flatten().collect(), Turn { per_second, latency: latency(&mut micros) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow(Duration);

    impl Caller for Slow {
        async fn call(&mut self) -> anyhow::Result<u64> {
            tokio::time::sleep(self.0).await;
            Ok(1)
        }
    }

    #[tokio::test]
    async fn waiting_for_a_slow_answer_counts_for_those_behind_it() {
        // One caller, 100 requests a second due, each answered after 20 ms: the queue only grows.
        let (callers, turn) =
            paced(vec![Slow(Duration::from_millis(20))], 100.0, Duration::from_millis(500)).await.unwrap();
        assert_eq!(callers.len(), 1);
        let latency = turn.latency.unwrap();
        assert!(latency.p99_ms > 2.0 * 20.0, "{latency:?}");
        assert!(latency.p50_ms < latency.p99_ms, "{latency:?}");
    }
}
