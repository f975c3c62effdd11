use chrono::{DateTime, Utc};
use eventstore::log::{self, PageLimit, read_page};
use kernel::Position;
use sqlx::PgPool;
use tokio::sync::Mutex;

use super::{HotError, State, Window, redis_store::Ranked, window::hour_of};

/// How many of the log's newest events stand in for Redis. Higher: the first answer without it
/// is slower and holds more memory; lower: busy installations see less of a long window.
const EVENTS: i64 = 20_000;

/// The hot views over the log's newest events, in this process's memory, for as long as Redis is
/// away. Asked again, it reads only what was appended since.
#[derive(Debug)]
pub struct RecentActs {
    newest: i64,
    known: Mutex<Option<Recent>>,
}

#[derive(Debug)]
struct Recent {
    state: State,
    /// Nothing before this moment is known; `None` when it holds the whole log.
    since: Option<DateTime<Utc>>,
    epoch: i32,
    position: Position,
}

/// A ranking, and whether the window reaches back further than what was read.
pub struct RankedRecent {
    pub ranked: Ranked,
    pub partial: bool,
}

impl Default for RecentActs {
    fn default() -> Self {
        Self::of_newest(EVENTS)
    }
}

impl RecentActs {
    /// Over the log's newest `events`.
    #[must_use]
    pub fn of_newest(events: i64) -> Self {
        Self { newest: events, known: Mutex::new(None) }
    }

    /// Places `skip..skip + count` of the ranking.
    ///
    /// # Errors
    /// [`HotError`] when the log cannot be read.
    pub async fn ranked(
        &self,
        log: &PgPool,
        window: Window,
        now: DateTime<Utc>,
        (skip, count): (usize, usize),
    ) -> Result<RankedRecent, HotError> {
        // One reads, the others wait for what it read.
        let mut slot = self.known.lock().await;
        let recent = match slot.take() {
            Some(recent) => recent.advanced(log, self.newest).await?,
            None => Recent::begin(log, self.newest).await?,
        };
        let recent = slot.insert(recent);
        let ranked = recent.state.ranked(window, now).into_iter().skip(skip).take(count);
        let ranked = ranked.map(|(id, score)| (id, score, recent.state.live_threads(id, now))).collect();
        let first = Window::hour(now) - window.hours() + 1;
        let partial = recent.since.is_some_and(|since| hour_of(since.timestamp_millis()) >= first);
        Ok(RankedRecent { ranked: (recent.position, ranked), partial })
    }

    /// Redis answers again: the memory is given back.
    pub(super) async fn forget(&self) {
        if let Ok(mut slot) = self.known.try_lock() {
            *slot = None;
        }
    }
}

impl Recent {
    async fn begin(log: &PgPool, newest: i64) -> Result<Self, HotError> {
        let head = log::head(log).await?;
        let after = (head.position - newest).max(0);
        let mut recent = Self { state: State::default(), since: None, epoch: head.epoch, position: after };
        if after > 0 {
            let first = read_page(log, after, PageLimit { events: 1, bytes: 1 }).await?;
            // The database's time: near enough to say whether a window is covered.
            recent.since = first.first().map(|event| event.recorded_at);
        }
        recent.read_to(log, head.position).await?;
        Ok(recent)
    }

    async fn advanced(mut self, log: &PgPool, newest: i64) -> Result<Self, HotError> {
        let head = log::head(log).await?;
        if head.epoch != self.epoch || head.position < self.position || head.position - self.position > newest
        {
            return Self::begin(log, newest).await;
        }
        self.read_to(log, head.position).await?;
        Ok(self)
    }

    async fn read_to(&mut self, log: &PgPool, head: Position) -> Result<(), HotError> {
        while self.position < head {
            let limit = PageLimit { events: head - self.position, ..PageLimit::REBUILD };
            let events = read_page(log, self.position, limit).await?;
            let Some(last) = events.last() else { break };
            self.position = last.position;
            self.state.take(&events);
        }
        Ok(())
    }
}
