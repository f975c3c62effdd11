use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kernel::Position;

/// Where the log's end was, and when. An engine is caught up when it has what was there its bound
/// ago; a number of events would say nothing on a quiet day, and too much on a busy one.
#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<VecDeque<(Instant, Position)>>);

/// Longer than any engine's bound.
const KEPT: Duration = Duration::from_secs(10);

impl Heads {
    pub fn saw(&self, now: Instant, head: Position) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push_back((now, head));
        while seen.front().is_some_and(|(at, _)| now.duration_since(*at) > KEPT) {
            seen.pop_front();
        }
    }

    /// What an engine with this bound has to have; `None` before anything was seen. In the
    /// beginning nothing is known of the past, so the first that was seen counts.
    pub fn floor(&self, now: Instant, bound: Duration) -> Option<Position> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = seen.iter().rev().find(|(at, _)| now.duration_since(*at) >= bound);
        old.or_else(|| seen.front()).map(|(_, head)| *head)
    }

    pub fn newest(&self) -> Position {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).back().map_or(0, |(_, head)| *head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_within_the_bound_need_not_be_there_yet() {
        let (heads, start) = (Heads::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let bound = Duration::from_secs(3);
        assert_eq!(heads.floor(start, bound), None);
        heads.saw(start, 5);
        assert_eq!(heads.floor(start, bound), Some(5), "nothing is known of the time before");
        heads.saw(after(2), 9);
        heads.saw(after(4), 12);
        assert_eq!(heads.floor(after(4), bound), Some(5));
        assert_eq!(heads.floor(after(5), bound), Some(9));
        // One event that nobody ever applied is too many, however long ago.
        assert_eq!(heads.floor(after(60), bound), Some(12));
        heads.saw(after(60), 12);
        assert_eq!((heads.floor(after(60), bound), heads.newest()), (Some(12), 12));
    }
}
