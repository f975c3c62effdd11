use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kernel::Position;

use super::View;

/// Without a look at the log for so long nobody knows what an answer has missed.
const SURE: Duration = Duration::from_secs(2);
/// Events that were seen within this time count as seen at its beginning.
const TOGETHER: Duration = Duration::from_millis(20);

/// Up to where each view has to be read: what the log has said so far.
pub(super) struct Touched {
    inner: Mutex<Inner>,
}

struct Inner {
    views: Vec<Marks>,
    /// Which log it is, for the keys in Redis: its first event, and the epoch.
    log: Option<String>,
    looked: Option<Instant>,
}

#[derive(Default)]
struct Marks {
    /// Answers below this are over.
    floor: Position,
    /// Positions of events that will raise the floor, with the time they were seen. No longer than
    /// the view may be behind.
    coming: VecDeque<(Instant, Position)>,
}

impl Marks {
    /// Events that were seen so long ago raise the floor now.
    fn settle(&mut self, behind: Duration) {
        while let Some((at, touched)) = self.coming.front().copied()
            && at.elapsed() >= behind
        {
            self.floor = touched.max(self.floor);
            self.coming.pop_front();
        }
    }
}

impl Touched {
    pub fn new(views: usize) -> Self {
        let views = (0..views).map(|_| Marks::default()).collect();
        Self { inner: Mutex::new(Inner { views, log: None, looked: None }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read from now on is another log, or was not followed: below `head` nothing counts.
    pub fn begin(&self, head: Position, log: Option<String>) {
        let mut inner = self.inner();
        inner.log = log;
        for marks in &mut inner.views {
            *marks = Marks { floor: head, coming: VecDeque::new() };
        }
    }

    pub fn named(&self, log: String) {
        self.inner().log = Some(log);
    }

    pub fn log(&self) -> Option<String> {
        self.inner().log.clone()
    }

    /// An event at `position` changes this view.
    pub fn touch(&self, index: usize, view: &View, position: Position) {
        if let Some(marks) = self.inner().views.get_mut(index) {
            // Also where nobody asks.
            marks.settle(view.behind);
            match marks.coming.back_mut() {
                Some((at, last)) if at.elapsed() < TOGETHER => *last = position.max(*last),
                _ => marks.coming.push_back((Instant::now(), position)),
            }
        }
    }

    /// Bytes were taken away: no answer from before is served any more.
    pub fn forget(&self, position: Position) {
        for marks in &mut self.inner().views {
            marks.floor = position.max(marks.floor);
        }
    }

    /// The log was looked at.
    pub fn looked(&self) {
        self.inner().looked = Some(Instant::now());
    }

    /// Whether anything that is kept may be served.
    pub fn is_sure(&self) -> bool {
        self.inner().looked.is_some_and(|at| at.elapsed() < SURE)
    }

    /// Whether an answer of this position has everything it must have by now.
    pub fn is_fresh(&self, index: usize, view: &View, position: Position) -> bool {
        let mut inner = self.inner();
        let Some(marks) = inner.views.get_mut(index) else { return false };
        marks.settle(view.behind);
        position >= marks.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_view_that_nobody_asks_for_do_not_pile_up() {
        let view = View { name: "v", behind: Duration::from_millis(100), ..*super::super::VIEWS[0] };
        let touched = Touched::new(1);
        let began = Instant::now();
        let mut most = 0;
        for position in 1.. {
            touched.touch(0, &view, position);
            most = most.max(touched.inner().views[0].coming.len());
            if began.elapsed() > Duration::from_millis(400) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let possible = view.behind.as_millis().div_ceil(TOGETHER.as_millis()) + 1;
        assert!(most as u128 <= possible, "{most} of {possible}");
        assert!(touched.inner().views[0].floor > 0);
    }
}
