use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::outside::EngineError;

/// Failures one after another until nobody asks any more.
const FAILURES: u32 = 3;
/// How long nobody asks then; doubled while it does not recover.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Keeps queries away from an engine that fails. Queries never try it out: it closes again only
/// when a probe has found the engine both healthy and caught up.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: Instant,
    pause: Duration,
}

impl Breaker {
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state().open.is_some()
    }

    /// A query was answered.
    pub fn answered(&self) {
        self.state().failures = 0;
    }

    /// A query was not answered, or a write found the engine full.
    pub fn failed(&self, error: &EngineError) {
        self.failed_at(error, Instant::now());
    }

    /// The engine is healthy and caught up.
    pub fn recovered(&self) {
        self.recovered_at(Instant::now());
    }

    fn failed_at(&self, error: &EngineError, now: Instant) {
        let mut state = self.state();
        // Being behind is no failure, and what it does not understand is ours.
        if matches!(error, EngineError::Behind | EngineError::Refused(_)) {
            return;
        }
        state.failures += 1;
        let pause = match (state.open, error.is_capacity()) {
            (_, true) => LONGEST,
            (Some(open), false) => LONGEST.min(open.pause * 2),
            (None, false) if state.failures >= FAILURES => FIRST,
            (None, false) => return,
        };
        state.open = Some(Open { until: now + pause, pause });
    }

    fn recovered_at(&self, now: Instant) {
        let mut state = self.state();
        if state.open.is_none_or(|open| open.until <= now) {
            *state = State::default();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: EngineError = EngineError::Away("no connection");

    #[test]
    fn it_opens_after_some_failures_in_a_row_and_closes_by_a_probe_alone() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed_at(&AWAY, now);
        breaker.failed_at(&AWAY, now);
        breaker.answered();
        breaker.failed_at(&AWAY, now);
        breaker.failed_at(&AWAY, now);
        assert!(!breaker.is_open());
        breaker.failed_at(&AWAY, now);
        assert!(breaker.is_open());
        breaker.answered();
        assert!(breaker.is_open(), "an answer that was under way");
        breaker.recovered_at(now);
        assert!(breaker.is_open(), "too early");
        breaker.recovered_at(now + FIRST);
        assert!(!breaker.is_open());
    }

    #[test]
    fn an_engine_that_is_full_is_left_alone_at_once_and_for_long() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed_at(&EngineError::Full("memory"), now);
        assert!(breaker.is_open());
        breaker.recovered_at(now + FIRST);
        assert!(breaker.is_open());
        breaker.recovered_at(now + LONGEST);
        assert!(!breaker.is_open());
    }

    #[test]
    fn being_behind_and_our_own_mistakes_open_nothing() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(&EngineError::Behind);
            breaker.failed(&EngineError::Refused("bad_request".to_owned()));
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn failing_on_doubles_the_pause() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..=FAILURES {
            breaker.failed_at(&AWAY, now);
        }
        breaker.recovered_at(now + FIRST);
        assert!(breaker.is_open());
        breaker.recovered_at(now + 2 * FIRST);
        assert!(!breaker.is_open());
    }
}
