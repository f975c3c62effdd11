use std::{collections::HashSet, future::Future, pin::Pin, sync::Arc};

use kernel::{Name, RecordedEvent};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::{
    PostgresProjection,
    apply::{self, Applied},
    rekey::{Rekeyer, Rekeying},
    sample::{KeySample, Sampler},
    seen::Seen,
    standing::Standing,
};

pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The read models a process feeds, rebuilds or verifies.
#[derive(Clone, Default)]
pub struct Registry {
    models: Vec<Arc<dyn ReadModel>>,
}

impl Registry {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a read model. A name may be registered once; the later one is ignored.
    #[must_use]
    pub fn with<P: PostgresProjection>(mut self, projection: P) -> Self {
        const {
            assert!(
                valid(P::NAME) && P::NAME.len() <= 40,
                "a projection's name has 1 to 40 characters out of a-z and _"
            )
        };
        if self.get(P::NAME).is_none() {
            let shape = Sha256::new().chain_update(P::SCHEMA).chain_update(P::INDEXES).finalize().to_vec();
            self.models.push(Arc::new(Of {
                projection: Arc::new(projection),
                wanted: P::EVENT_TYPES.iter().copied().collect(),
                shape,
            }));
        }
        self
    }

    /// The names in the order of registration.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.models.iter().map(|model| model.name())
    }

    /// Only the named ones; a name nobody registered comes back as the error.
    ///
    /// # Errors
    /// The first unknown name.
    pub fn only(&self, names: &[String]) -> Result<Self, String> {
        let mut chosen = Self::new();
        for name in names {
            let model = self.models.iter().find(|model| model.name() == name).ok_or_else(|| name.clone())?;
            if chosen.get(name).is_none() {
                chosen.models.push(Arc::clone(model));
            }
        }
        Ok(chosen)
    }

    /// Those that are not named.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let models = self.models.iter().filter(|model| !names.contains(&model.name())).cloned();
        Self { models: models.collect() }
    }

    /// The names of those that take in events of a type.
    #[must_use]
    pub fn taking(&self, event_type: &str) -> Vec<&'static str> {
        let takes = |model: &&Arc<dyn ReadModel>| model.event_types().contains(&event_type);
        self.models.iter().filter(takes).map(|model| model.name()).collect()
    }

    pub(crate) fn models(&self) -> &[Arc<dyn ReadModel>] {
        &self.models
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<dyn ReadModel>> {
        self.models.iter().find(|model| model.name() == name)
    }
}

const fn valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !(bytes[i].is_ascii_lowercase() || bytes[i] == b'_') {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty()
}

/// A [`PostgresProjection`] without its types, so that one runner feeds many.
pub(crate) trait ReadModel: Send + Sync {
    fn name(&self) -> &'static str;
    fn event_types(&self) -> &'static [&'static str];
    fn schema(&self) -> &'static str;
    fn indexes(&self) -> &'static str;
    fn tables(&self) -> &'static [&'static str];
    /// SHA-256 of the DDL.
    fn shape(&self) -> &[u8];
    fn wants(&self, event_type: &Name) -> bool;

    /// Folds a page into the rows of one generation, inside the caller's transaction. Where there
    /// was something to do it leaves the savepoint `page` open, for the caller to roll back to after
    /// an error; after success nobody needs to release it. Keys that
    /// `seen` does not know are taken to have no rows.
    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
        events: &'a [RecordedEvent],
        standing: &'a Standing,
        seen: Option<&'a Seen>,
    ) -> Boxed<'a, Result<Applied, sqlx::Error>>;

    /// A second, simpler way to the same rows, for a share of the keys.
    fn sample(&self, modulus: u64, remainder: u64) -> Box<dyn KeySample>;

    /// Folds single keys from the log's beginning, for `parked retry`.
    fn rekey(&self, keys: HashSet<String>) -> Box<dyn Rekeying>;
}

struct Of<P> {
    projection: Arc<P>,
    wanted: HashSet<&'static str>,
    shape: Vec<u8>,
}

impl<P: PostgresProjection> ReadModel for Of<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn event_types(&self) -> &'static [&'static str] {
        P::EVENT_TYPES
    }

    fn schema(&self) -> &'static str {
        P::SCHEMA
    }

    fn indexes(&self) -> &'static str {
        P::INDEXES
    }

    fn tables(&self) -> &'static [&'static str] {
        P::TABLES
    }

    fn shape(&self) -> &[u8] {
        &self.shape
    }

    fn wants(&self, event_type: &Name) -> bool {
        self.wanted.is_empty() || self.wanted.contains(event_type.as_str())
    }

    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
        events: &'a [RecordedEvent],
        standing: &'a Standing,
        seen: Option<&'a Seen>,
    ) -> Boxed<'a, Result<Applied, sqlx::Error>> {
        let wanted = events.iter().filter(|event| self.wants(&event.event_type));
        Box::pin(apply::apply(&*self.projection, connection, schema, wanted.collect(), standing, seen))
    }

    fn sample(&self, modulus: u64, remainder: u64) -> Box<dyn KeySample> {
        Box::new(Sampler::new(Arc::clone(&self.projection), modulus, remainder))
    }

    fn rekey(&self, keys: HashSet<String>) -> Box<dyn Rekeying> {
        Box::new(Rekeyer::new(Arc::clone(&self.projection), keys))
    }
}
