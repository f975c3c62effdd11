use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use eventstore::log::{self, PageLimit};
use futures::stream::{self, Stream};
use kernel::{Position, RecordedEvent};
use projections::{ReadError, live::Whereabouts};
use rand::RngExt;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Filter, Live, LiveEvent, registry::Seat, view};

/// After so long without an event a sign of life. Too high: proxies close the connection, and a
/// listener that comes back has more to catch up.
const BEAT: Duration = Duration::from_secs(15);
/// What is read at once while catching up.
const PAGE: PageLimit = PageLimit { events: 500, bytes: 2 << 20 };
const STEP: Duration = Duration::from_millis(5);
/// After a page that could not be read.
const AGAIN: Duration = Duration::from_secs(1);

/// One listener, from a position on: nothing is left out and nothing comes twice.
pub struct Listening {
    live: Arc<Live>,
    filter: Arc<Filter>,
    cut: CancellationToken,
    phase: Phase,
    /// Everything up to here was looked at; what of it is for this listener is told or `ready`.
    read: Position,
    ready: VecDeque<Arc<LiveEvent>>,
    beat_at: Instant,
}

enum Phase {
    Behind(Box<Whereabouts>),
    Told(Seat),
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    Event(Arc<LiveEvent>),
    /// Nothing up to this position; who comes back may begin here.
    Beat(Position),
    /// The process stops, or the listener was too slow.
    Ended,
}

impl Listening {
    /// From behind `after` on, or from now. `cut` ends the connection of a listener that does not
    /// read.
    #[must_use]
    pub fn begin(live: Arc<Live>, filter: Filter, after: Option<Position>, cut: CancellationToken) -> Self {
        let filter = Arc::new(filter);
        let (phase, read) = match live.registry.join(&filter, after, &cut) {
            Some((seat, from)) => (Phase::Told(seat), from),
            // Only a position that the others have passed is refused, so there is one.
            None => (Phase::Behind(Box::new(live.whereabouts())), after.unwrap_or_default()),
        };
        // Not all at the same moment, when all have come back at the same moment.
        let first = rand::rng().random_range(0.5..1.0);
        let beat_at = Instant::now() + BEAT.mul_f64(first);
        Self { live, filter, cut, phase, read, ready: VecDeque::new(), beat_at }
    }

    /// All there is to say, in order.
    pub fn stream(self) -> impl Stream<Item = Next> + Send {
        stream::unfold(Some(self), |listening| async move {
            let mut listening = listening?;
            match listening.next().await {
                Next::Ended => Some((Next::Ended, None)),
                next => Some((next, Some(listening))),
            }
        })
    }

    /// The next thing to say. Once begun this has to be ended: half a page of catching up is lost
    /// otherwise.
    async fn next(&mut self) -> Next {
        loop {
            if self.live.stop.is_cancelled() {
                return Next::Ended;
            }
            if let Some(event) = self.ready.pop_front() {
                self.beat_at = Instant::now() + BEAT;
                return Next::Event(event);
            }
            match &mut self.phase {
                Phase::Told(seat) => {
                    let event = tokio::select! {
                        biased;
                        () = self.live.stop.cancelled() => return Next::Ended,
                        event = seat.events.recv() => event,
                        () = sleep_until(self.beat_at) => return self.beat(),
                    };
                    match event {
                        Some(event) => self.ready.push_back(event),
                        None => return Next::Ended,
                    }
                }
                Phase::Behind(_) => {
                    let before = self.read;
                    match self.catch_up().await {
                        // So that who is cut off in a long way back has come some of it.
                        Ok(()) if self.ready.is_empty() && self.read > before => {
                            return Next::Beat(self.read);
                        }
                        Ok(()) => {}
                        Err(error) => {
                            tracing::warn!(%error, "a listener cannot catch up");
                            sleep(AGAIN).await;
                        }
                    }
                }
            }
        }
    }

    fn beat(&mut self) -> Next {
        self.beat_at = Instant::now() + BEAT;
        // First how far all have been told, then whether something of that still waits here.
        let told = self.live.registry.position();
        if let Phase::Told(seat) = &mut self.phase
            && let Ok(event) = seat.events.try_recv()
        {
            return Next::Event(event);
        }
        self.read = self.read.max(told);
        Next::Beat(self.read)
    }

    /// One page, or the step over to those who are told.
    async fn catch_up(&mut self) -> Result<(), ReadError> {
        let live = Arc::clone(&self.live);
        // Nobody closes the semaphore.
        let _turn = live.pages.acquire().await;
        let page = log::read_page(&live.pool, self.read, PAGE).await?;
        let Some(last) = page.last().map(|event| event.position) else {
            match live.registry.join(&self.filter, Some(self.read), &self.cut) {
                Some((seat, _)) => self.phase = Phase::Told(seat),
                // The others were told of more in this very moment.
                None => sleep(STEP).await,
            }
            return Ok(());
        };
        let Phase::Behind(whereabouts) = &mut self.phase else { return Ok(()) };
        let latest = latest(&live, &page).await?;
        let about = whereabouts.of(&page).await?;
        let events = match view::render(&page, &about, &latest, &live.sealer).await {
            Ok(events) => events,
            Err(error) => {
                // The same page comes again; it must not be applied twice.
                whereabouts.forget();
                return Err(error);
            }
        };
        self.ready.extend(events.into_iter().filter(|event| self.filter.matches(event)));
        self.read = last;
        Ok(())
    }
}

/// The present versions of what a page says something about.
pub(super) async fn latest(live: &Live, page: &[RecordedEvent]) -> Result<HashMap<Uuid, i64>, ReadError> {
    let ids: Vec<Uuid> = page
        .iter()
        .filter(|event| view::says_something(event.event_type.as_str()))
        .map(|event| event.aggregate_id)
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let versions = log::stream_versions(&live.pool, &ids).await?;
    Ok(versions.into_iter().map(|(id, stream)| (id, stream.version)).collect())
}
