use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use eventstore::log;
use kernel::Position;
use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Breaker, EngineFuture, OutsideSearch, PostgresSearch, SearchCursor, SearchEngine, SearchPage,
    SearchQuery, Standing, Suggestions, heads::Heads, outside::EngineError,
};
use crate::{Page, ReadError};

/// How often the engines are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// What was seen longer ago says nothing any more.
const FRESH: Duration = Duration::from_secs(3);

/// Hears of every query, for metrics.
pub trait SearchObserver: Send + Sync {
    /// An engine has answered a query; `hits` is what it found.
    fn answered(&self, engine: &'static str, took: Duration, hits: usize);
    /// It has not, and the next one was asked.
    fn failed(&self, engine: &'static str);
}

/// Nobody counts.
impl SearchObserver for () {
    fn answered(&self, _: &'static str, _: Duration, _: usize) {}
    fn failed(&self, _: &'static str) {}
}

/// The engines in the order in which they are asked. The first that is healthy and caught up
/// answers; when it fails while it is asked, the next one does. Postgres is last and always there.
#[derive(Clone)]
pub struct Engines(Arc<Inner>);

struct Inner {
    outside: Vec<Candidate>,
    postgres: PostgresSearch,
    log: PgPool,
    heads: Heads,
    observer: Box<dyn SearchObserver>,
}

struct Candidate {
    search: OutsideSearch,
    breaker: Arc<Breaker>,
    /// When it was last looked at, and what was seen.
    seen: Mutex<Option<(Instant, Result<Position, EngineError>)>>,
}

/// How one engine is, for health and metrics.
#[derive(Debug, Clone)]
pub struct EngineHealth {
    pub name: &'static str,
    /// Would be asked now.
    pub eligible: bool,
    pub breaker_open: bool,
    /// As far as it is known.
    pub position: Option<Position>,
    pub lag: Option<i64>,
    pub problem: Option<String>,
}

impl Engines {
    /// `log` is where the head is; replicas are behind it.
    #[must_use]
    pub fn new(
        outside: Vec<OutsideSearch>,
        postgres: PostgresSearch,
        log: PgPool,
        observer: impl SearchObserver + 'static,
    ) -> Self {
        let outside = outside
            .into_iter()
            .map(|search| Candidate { search, breaker: Arc::default(), seen: Mutex::default() })
            .collect();
        let observer = Box::new(observer);
        Self(Arc::new(Inner { outside, postgres, log, heads: Heads::default(), observer }))
    }

    /// The breaker of an engine, for who writes to it.
    #[must_use]
    pub fn breaker(&self, name: &str) -> Option<Arc<Breaker>> {
        let candidate = self.0.outside.iter().find(|candidate| candidate.search.name() == name);
        candidate.map(|candidate| Arc::clone(&candidate.breaker))
    }

    /// Looks at the engines until it is stopped; without it none of them is asked.
    pub async fn watch(self, stop: CancellationToken) {
        if self.0.outside.is_empty() {
            return;
        }
        while !stop.is_cancelled() {
            self.look().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// One look at each engine.
    pub async fn look(&self) {
        // Without the log nobody knows who is caught up; what was seen gets old.
        let Ok(head) = log::head(&self.0.log).await else { return };
        self.0.heads.saw(Instant::now(), head.position);
        let looks = self.0.outside.iter().map(|candidate| candidate.look(&self.0.heads));
        futures::future::join_all(looks).await;
    }

    #[must_use]
    pub fn health(&self) -> Vec<EngineHealth> {
        let head = self.0.heads.newest();
        let health = self.0.outside.iter().map(|candidate| {
            let seen = candidate.seen();
            let position = seen.as_ref().and_then(|(_, seen)| seen.as_ref().ok().copied());
            EngineHealth {
                name: candidate.search.name(),
                eligible: candidate.is_eligible(&self.0.heads),
                breaker_open: candidate.breaker.is_open(),
                position,
                lag: position.map(|position| (head - position).max(0)),
                problem: seen.and_then(|(_, seen)| seen.err()).map(|error| error.to_string()),
            }
        });
        health.collect()
    }

    /// Bytes that the engines use, of those that tell.
    pub async fn sizes(&self) -> Vec<(&'static str, u64)> {
        let sizes = self.0.outside.iter().map(|candidate| async {
            let engine = candidate.search.engine();
            Some((engine.name(), engine.size().await.ok()?))
        });
        futures::future::join_all(sizes).await.into_iter().flatten().collect()
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, ReadError> {
        let inner = &*self.0;
        // Only the engine that made a cursor of this form can go on from it.
        let asked: &[Candidate] = match query.cursor {
            Some(SearchCursor::After { .. }) => &[],
            _ => &inner.outside,
        };
        let waited = query.at_least > 0;
        for candidate in asked {
            let Some(floor) = candidate.floor(&inner.heads) else { continue };
            let query = SearchQuery { at_least: query.at_least.max(floor), ..query.clone() };
            let since = Instant::now();
            match candidate.search.search(&query).await {
                // Who has waited for a position is not shown a node as it was before.
                Ok(page) if page.stale && waited => {}
                Ok(page) => {
                    candidate.answered(inner, since, page.hits.items.len());
                    return Ok(page);
                }
                Err(error) => candidate.failed(inner, error)?,
            }
        }
        let since = Instant::now();
        let page = in_postgres(&inner.postgres, query).await?;
        inner.observer.answered(inner.postgres.name(), since.elapsed(), page.hits.items.len());
        Ok(page)
    }

    async fn offer(&self, prefix: &str, limit: u8, at_least: Position) -> Result<Suggestions, ReadError> {
        let inner = &*self.0;
        for candidate in &inner.outside {
            let Some(floor) = candidate.floor(&inner.heads) else { continue };
            let since = Instant::now();
            match candidate.search.suggest(prefix, limit, at_least.max(floor)).await {
                Ok(found) => {
                    candidate.answered(inner, since, found.titles.len());
                    return Ok(found);
                }
                Err(error) => candidate.failed(inner, error)?,
            }
        }
        let since = Instant::now();
        let found = inner.postgres.suggest(prefix, limit, at_least).await?;
        inner.observer.answered(inner.postgres.name(), since.elapsed(), found.titles.len());
        Ok(found)
    }
}

impl Candidate {
    fn seen(&self) -> Option<(Instant, Result<Position, EngineError>)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.filter(|(at, _)| at.elapsed() < FRESH)
    }

    async fn look(&self, heads: &Heads) {
        let engine = self.search.engine();
        let mark = engine.live().await.and_then(|mark| mark.ok_or(EngineError::Missing));
        let position = mark.map(|mark| mark.position);
        let caught_up = match (&position, heads.floor(Instant::now(), engine.bound())) {
            (Ok(position), Some(floor)) => *position >= floor,
            _ => false,
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), position));
        if caught_up {
            self.breaker.recovered();
        }
    }

    /// What it has to have, if it may be asked at all.
    fn floor(&self, heads: &Heads) -> Option<Position> {
        if self.breaker.is_open() {
            return None;
        }
        let floor = heads.floor(Instant::now(), self.search.engine().bound())?;
        let (_, position) = self.seen()?;
        position.is_ok_and(|position| position >= floor).then_some(floor)
    }

    fn is_eligible(&self, heads: &Heads) -> bool {
        self.floor(heads).is_some()
    }

    fn answered(&self, inner: &Inner, since: Instant, hits: usize) {
        self.breaker.answered();
        inner.observer.answered(self.search.name(), since.elapsed(), hits);
    }

    /// The engine's failure is no query's failure; Postgres' is.
    fn failed(&self, inner: &Inner, error: ReadError) -> Result<(), ReadError> {
        let ReadError::Engine(name, error) = error else { return Err(error) };
        inner.observer.failed(name);
        self.breaker.failed(&error);
        if !matches!(error, EngineError::Behind) {
            tracing::debug!(engine = name, %error, "the next search engine is asked");
        }
        Ok(())
    }
}

/// Postgres goes on where another engine stopped by passing over as many hits of its own.
async fn in_postgres(postgres: &PostgresSearch, query: &SearchQuery) -> Result<SearchPage, ReadError> {
    let Some(SearchCursor::Skip(mut left)) = query.cursor else { return postgres.search(query).await };
    let mut passed = SearchQuery { cursor: None, ..query.clone() };
    while left > 0 {
        passed.limit = u16::try_from(left.min(100)).unwrap_or(100);
        let page = postgres.search(&passed).await?;
        let next = page.hits.next_cursor.as_deref().map(SearchCursor::parse);
        let Some(Ok(next)) = next else {
            let hits = Page { items: Vec::new(), next_cursor: None, has_more: false, ..page.hits };
            return Ok(SearchPage { hits, ..page });
        };
        left -= left.min(100);
        passed.cursor = Some(next);
    }
    passed.limit = query.limit;
    postgres.search(&passed).await
}

impl SearchEngine for Engines {
    /// Of the engine that would be asked now.
    fn name(&self) -> &'static str {
        let first = self.0.outside.iter().find(|candidate| candidate.is_eligible(&self.0.heads));
        first.map_or_else(|| self.0.postgres.name(), |candidate| candidate.search.name())
    }

    fn search<'a>(&'a self, query: &'a SearchQuery) -> EngineFuture<'a, SearchPage> {
        Box::pin(self.find(query))
    }

    fn suggest<'a>(
        &'a self,
        prefix: &'a str,
        limit: u8,
        at_least: Position,
    ) -> EngineFuture<'a, Suggestions> {
        Box::pin(self.offer(prefix, limit, at_least))
    }

    /// Of the one that is always there.
    fn standing(&self) -> EngineFuture<'_, Standing> {
        self.0.postgres.standing()
    }
}
