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
    /// Positions of events that will raise the floor, with the time they were seen.
    coming: VecDeque<(Instant, Position)>,
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
    pub fn touch(&self, view: usize, position: Position) {
        if let Some(marks) = self.inner().views.get_mut(view) {
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
        while let Some((at, touched)) = marks.coming.front().copied()
            && at.elapsed() >= view.behind
        {
            marks.floor = touched.max(marks.floor);
            marks.coming.pop_front();
        }
        position >= marks.floor
    }
}
