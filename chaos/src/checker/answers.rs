use super::{Check, first};
use crate::history::{Entry, Line};

/// Of one `api` process.
const MOST_MEMORY_MIB: f64 = 512.0;
const LAG_ZERO_WITHIN_MS: u64 = 30_000;

/// I12 and I13; the worst recovery in seconds.
pub fn check(history: &[Line], checks: &mut Vec<Check>) -> f64 {
    let (mut wrong, mut ended) = (Vec::new(), Vec::new());
    let (mut asked, mut memory) = (0, 0.0_f64);
    let (mut worst, mut samples) = (0, 0);
    let mut lag_zero = None;
    for line in history {
        match &line.entry {
            Entry::Ok { .. } => asked += 1,
            Entry::Fail { status, retry_after, .. }
            | Entry::Unknown { status, retry_after, .. }
            | Entry::Query { status, retry_after, .. } => {
                asked += 1;
                if *status >= 500 && !(*status == 503 && *retry_after) {
                    wrong.push(*status);
                }
            }
            Entry::Ended { process, asked: false, how } => ended.push(format!("{process}: {how}")),
            Entry::Memory { mib, .. } => memory = memory.max(*mib),
            Entry::Recovered { ms } => {
                worst = worst.max(*ms);
                samples += 1;
            }
            Entry::LagZero { ms } => lag_zero = Some(*ms),
            _ => {}
        }
    }
    checks.push(Check {
        name: "I12",
        what: "no 5xx but 503 with Retry-After; no process ends by itself; memory stays bounded",
        ok: wrong.is_empty() && ended.is_empty() && memory <= MOST_MEMORY_MIB,
        found: format!(
            "{asked} answers, {} wrong ones{}, {} ends{}, at most {memory:.0} MiB",
            wrong.len(),
            first(&wrong),
            ended.len(),
            first(&ended),
        ),
    });
    let took = lag_zero.flatten();
    checks.push(Check {
        name: "I13",
        what: "after the faults stop, lag returns to 0 within 30 s",
        ok: took.is_some_and(|ms| ms <= LAG_ZERO_WITHIN_MS),
        found: match took {
            Some(ms) => format!("after {:.1} s; {samples} recoveries before", ms as f64 / 1000.0),
            None => "it did not".to_owned(),
        },
    });
    worst.max(took.unwrap_or_default()) as f64 / 1000.0
}
