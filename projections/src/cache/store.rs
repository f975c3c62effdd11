use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use eventstore::StoreError;
use kernel::Position;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    CacheError, Made, View, ViewCounts,
    entry::{Entry, packed, unpacked},
    flight::{Flights, Landing},
    shared::Shared,
    stats::Counting,
    touched::Touched,
};
use crate::ReadError;

/// Answers in the process. More: memory; fewer: the rarer ones push each other out.
const ENTRIES: usize = 1_000;
/// Answers made at once, whatever is asked and whoever is away: more would take the connections
/// from the queries that are not cached.
const LOADS: usize = 4;
/// How long an answer that another process makes is waited for, and how often it is looked for.
const OTHERS: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(20);
/// How long making an answer may take: as long as a query may.
const MAKING: Duration = Duration::from_secs(5);

pub(super) type Key = (&'static str, String);

/// Answers that are kept. Cheap to clone.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    views: &'static [&'static View],
    local: quick_cache::sync::Cache<Key, Arc<Entry>>,
    shared: Option<Shared>,
    touched: Touched,
    flights: Flights,
    loads: Arc<Semaphore>,
    counts: Vec<Counting>,
}

impl Cache {
    /// Serves nothing that is kept before a [`super::Follower`] has looked at the log. Needs a
    /// runtime.
    #[must_use]
    pub fn new(views: &'static [&'static View], redis_url: Option<&str>) -> Self {
        Self(Arc::new(Inner {
            views,
            local: quick_cache::sync::Cache::new(ENTRIES),
            shared: redis_url.and_then(Shared::open),
            touched: Touched::new(views.len()),
            flights: Flights::default(),
            loads: Arc::new(Semaphore::new(LOADS)),
            counts: views.iter().map(|_| Counting::default()).collect(),
        }))
    }

    /// The answer of `key`, not below `wanted`: kept, being made, or made by `load`, which has to
    /// read at `wanted` or later.
    ///
    /// # Errors
    /// What `load` answered, to all who waited for it.
    pub async fn get(
        &self,
        view: &'static View,
        key: String,
        wanted: Option<Position>,
        load: impl Future<Output = Result<Made, ReadError>> + Send + 'static,
    ) -> Result<Made, CacheError> {
        let Some(index) = self.0.views.iter().position(|one| one.name == view.name) else {
            return Ok(load.await?);
        };
        let (counts, key) = (&self.0.counts[index], (view.name, key));
        let sure = self.0.touched.is_sure();
        let kept = self.0.local.get(&key).filter(|kept| sure && self.is_good(index, kept));
        match (kept, wanted) {
            (Some(kept), _) if wanted.is_none_or(|wanted| kept.made.position >= wanted) => {
                counts.hit();
                if kept.is_old() {
                    // It flies by itself; whoever comes meanwhile gets the old one.
                    let _ = self.0.flights.join(&key, self.clone().make(index, key.clone(), false, load));
                }
                Ok(kept.made.clone())
            }
            // What is under way may have been read before that position.
            (_, Some(_)) => {
                counts.bypassed();
                let (made, _) = self.clone().make(index, key, false, load).await?;
                Ok(made)
            }
            (_, None) => {
                let (flight, ours) =
                    self.0.flights.join(&key, self.clone().make(index, key.clone(), sure, load));
                let (made, loaded) = flight.await?;
                match (sure, ours && !loaded) {
                    (false, _) => counts.bypassed(),
                    (true, true) => counts.shared_hit(),
                    (true, false) => counts.missed(),
                }
                Ok(made)
            }
        }
    }

    /// Makes an answer, or finds it in Redis, and keeps it.
    async fn make(
        self,
        index: usize,
        key: Key,
        look: bool,
        load: impl Future<Output = Result<Made, ReadError>> + Send + 'static,
    ) -> Landing {
        let Self(inner) = &self;
        let view = inner.views[index];
        let there = self.there(view, &key);
        let mut lock = None;
        if let (true, Some((shared, name))) = (look, &there) {
            if let Some(found) = self.found(index, view, shared, name).await {
                let made = found.made.clone();
                inner.local.insert(key, Arc::new(found));
                return Ok((made, false));
            }
            lock = shared.lock(name).await;
            let since = std::time::Instant::now();
            // Somebody else makes it: not for longer than making it takes.
            while lock.is_none() && !shared.is_away() && since.elapsed() < OTHERS {
                sleep(LOOK).await;
                if let Some(found) = self.found(index, view, shared, name).await {
                    let made = found.made.clone();
                    inner.local.insert(key, Arc::new(found));
                    return Ok((made, false));
                }
            }
        }
        // Never closed.
        let permit = inner.loads.acquire().await;
        inner.counts[index].loads.fetch_add(1, Ordering::Relaxed);
        // Nobody may be waiting any more, so nobody else gives up: a database that says nothing must
        // not keep the few turns.
        let made = timeout(MAKING, load).await.unwrap_or_else(|_| Err(unanswered()));
        drop(permit);
        if let Ok(made) = &made
            && made.keep
        {
            self.keep(index, view, &key, made, there.as_ref()).await;
        }
        if let (Some(lock), Some((shared, _))) = (lock, &there) {
            shared.unlock(lock).await;
        }
        Ok((made?, true))
    }

    async fn keep(
        &self,
        index: usize,
        view: &View,
        key: &Key,
        made: &Made,
        there: Option<&(&Shared, String)>,
    ) {
        let inner = &self.0;
        // A later one may have come first.
        let newer = inner.local.get(key).is_some_and(|kept| kept.made.position > made.position);
        if newer || !inner.touched.is_sure() || !inner.touched.is_fresh(index, view, made.position) {
            return;
        }
        let entry = Entry::new(view, made.clone());
        if let Some((shared, name)) = there {
            shared.set(name, &packed(made), entry.left()).await;
        }
        inner.local.insert(key.clone(), Arc::new(entry));
    }

    async fn found(&self, index: usize, view: &View, shared: &Shared, name: &str) -> Option<Entry> {
        let bytes = shared.get(name).await?;
        unpacked(view, &bytes).filter(|entry| self.is_good(index, entry))
    }

    /// Where it is in Redis: below the log's own name, so that nobody finds another log's answers.
    fn there(&self, view: &View, (_, key): &Key) -> Option<(&Shared, String)> {
        let shared = self.0.shared.as_ref().filter(|_| view.shared)?;
        let log = self.0.touched.log()?;
        Some((shared, format!("wg:cache:{log}:{}:{key}", view.name)))
    }

    fn is_good(&self, index: usize, entry: &Entry) -> bool {
        !entry.is_over() && self.0.touched.is_fresh(index, self.0.views[index], entry.made.position)
    }

    /// How each view does.
    #[must_use]
    pub fn counts(&self) -> Vec<ViewCounts> {
        let views = self.0.views.iter().zip(&self.0.counts);
        views.map(|(view, counting)| counting.snapshot(view.name)).collect()
    }

    /// Whether answers that are kept are served at all.
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.0.touched.is_sure()
    }

    pub(super) fn views(&self) -> &'static [&'static View] {
        self.0.views
    }

    pub(super) fn touched(&self) -> &Touched {
        &self.0.touched
    }

    pub(super) fn clear(&self) {
        self.0.local.clear();
    }
}

fn unanswered() -> ReadError {
    StoreError::Unavailable("an answer was not made in time".to_owned()).into()
}
