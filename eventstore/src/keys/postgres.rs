use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use kernel::Class;
use sqlx::PgPool;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Erasure, ErasureListener, FoundKey, KekRing, KeyError, KeyRequest, KeyStore, KeyedHasher, MAX_LEASE,
    Provision, Standing,
    batcher::Batcher,
    cache::KeyCache,
    loader::{Loader, ROUND_TRIP, begin},
    readers::{Reader, follow, holders},
};

/// What may be tuned.
#[derive(Debug, Clone)]
pub struct PgKeyStoreOptions {
    /// Keys kept in memory, about 400 bytes each. Too few: every page asks the key store. Too
    /// many: memory, nothing else; the lease bounds their age.
    pub cache_entries: usize,
    /// How long a cached key is used; never above [`MAX_LEASE`]. Shorter ones are for tests.
    pub lease: Duration,
}

impl Default for PgKeyStoreOptions {
    fn default() -> Self {
        Self { cache_entries: 50_000, lease: MAX_LEASE }
    }
}

/// The key store on its own Postgres cluster. Cheap to clone; clones share cache and batcher.
#[derive(Clone)]
pub struct PgKeyStore {
    loader: Arc<Loader>,
    batcher: Batcher,
    hasher: KeyedHasher,
}

impl PgKeyStore {
    /// Reads the hash key (makes it at the first boot), which also shows that the
    /// key-encryption key is the right one. `pool` leads to the migrated keys database.
    ///
    /// # Errors
    /// [`KeyError::OtherKek`] when the rows were wrapped by another key-encryption key,
    /// [`KeyError::Database`] when the database does not answer or is not migrated.
    pub async fn connect(
        pool: PgPool,
        kek: impl Into<KekRing>,
        options: PgKeyStoreOptions,
    ) -> Result<Self, KeyError> {
        let (cache, kek) = (KeyCache::new(options.cache_entries), kek.into());
        let hasher = begin(&pool, &kek).await?;
        let reader = Arc::new(Reader::register(pool.clone(), options.lease).await?);
        let loader = Arc::new(Loader { pool, kek, cache, lease: options.lease, reader: Arc::clone(&reader) });
        tokio::spawn(follow(Arc::downgrade(&reader), Arc::downgrade(&loader)));
        Ok(Self { batcher: Batcher::start(loader.clone()), loader, hasher })
    }

    async fn ensure_cached(&self, wanted: &[KeyRequest]) -> Result<Vec<Provision>, KeyError> {
        let cache = &self.loader.cache;
        let mut answers: Vec<Option<Provision>> =
            wanted.iter().map(|request| cache.by_request(request).map(Provision::Key)).collect();
        let missing: Vec<KeyRequest> =
            wanted.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(r, _)| *r).collect();
        if !missing.is_empty() {
            let mut made = self.batcher.ensure(missing).await?.into_iter();
            answers.iter_mut().filter(|answer| answer.is_none()).for_each(|answer| *answer = made.next());
        }
        answers.into_iter().collect::<Option<_>>().ok_or(KeyError::Incomplete)
    }

    async fn open_cached(&self, ids: &[Uuid]) -> Result<Vec<FoundKey>, KeyError> {
        let mut answers: Vec<Option<FoundKey>> = ids.iter().map(|id| self.loader.cache.by_id(id)).collect();
        let missing: Vec<Uuid> =
            ids.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(id, _)| *id).collect();
        if !missing.is_empty() {
            let mut found = self.loader.open_many(&missing).await?.into_iter();
            answers.iter_mut().filter(|answer| answer.is_none()).for_each(|answer| *answer = found.next());
        }
        answers.into_iter().collect::<Option<_>>().ok_or(KeyError::Incomplete)
    }

    async fn erase_now(&self, subject: Uuid, classes: &[Class]) -> Result<Erasure, KeyError> {
        let rows = sqlx::query!(
            r#"select of_class as "of_class!", was as "was!", destroyed as "destroyed!"
               from keys.erase_keys($1, $2)"#,
            subject,
            &names(classes) as &[&str],
        )
        .fetch_all(&self.loader.pool);
        let result = timeout(ROUND_TRIP, rows).await;
        // Also when the answer was lost: the keys may be gone all the same.
        self.invalidate(Some(subject));
        self.loader.reader.wake.notify_one();
        let mut done = Erasure::default();
        for row in result.map_err(|_| KeyError::Timeout)?? {
            let class = Class::parse(&row.of_class).ok_or(KeyError::Incomplete)?;
            match row.was.as_str() {
                "sealed" => done.held.push(class),
                "erased" => done.already.push(class),
                _ => done.erased.push(class),
            }
            done.destroyed += u64::try_from(row.destroyed).unwrap_or_default();
        }
        Ok(done)
    }

    async fn hold_now(&self, subject: Uuid, classes: &[Class], held: bool) -> Result<u64, KeyError> {
        let statement = sqlx::query!(
            "insert into keys.subject_classes as c (subject, class, state)
             select $1, w.class, $3 from unnest($2::text[]) as w (class) group by w.class order by w.class
             on conflict (subject, class) do update
             set state = excluded.state, changed_at = clock_timestamp() where c.state <> 'erased'",
            subject,
            &names(classes) as &[&str],
            if held { "sealed" } else { "active" },
        )
        .execute(&self.loader.pool);
        Ok(timeout(ROUND_TRIP, statement).await.map_err(|_| KeyError::Timeout)??.rows_affected())
    }

    async fn standing_now(&self, subject: Uuid) -> Result<[Standing; 4], KeyError> {
        let rows = sqlx::query!("select class, state from keys.subject_classes where subject = $1", subject)
            .fetch_all(&self.loader.pool);
        let rows = timeout(ROUND_TRIP, rows).await.map_err(|_| KeyError::Timeout)??;
        Ok(Class::ALL.map(|class| {
            match rows.iter().find(|row| row.class == class.as_str()).map(|row| row.state.as_str()) {
                None => Standing::Never,
                Some("active") => Standing::Active,
                Some("sealed") => Standing::Sealed,
                // The table's check admits one more state. Should it ever admit others, the
                // careful reading is that nothing may be shown.
                Some(_) => Standing::Erased,
            }
        }))
    }
}

fn names(classes: &[Class]) -> Vec<&'static str> {
    classes.iter().map(|class| class.as_str()).collect()
}

impl KeyStore for PgKeyStore {
    fn ensure<'a>(&'a self, wanted: &'a [KeyRequest]) -> BoxFuture<'a, Result<Vec<Provision>, KeyError>> {
        Box::pin(self.ensure_cached(wanted))
    }

    fn open_many<'a>(&'a self, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<FoundKey>, KeyError>> {
        Box::pin(self.open_cached(ids))
    }

    fn erase<'a>(&'a self, subject: Uuid, classes: &'a [Class]) -> BoxFuture<'a, Result<Erasure, KeyError>> {
        Box::pin(self.erase_now(subject, classes))
    }

    fn hold<'a>(
        &'a self,
        subject: Uuid,
        classes: &'a [Class],
        held: bool,
    ) -> BoxFuture<'a, Result<u64, KeyError>> {
        Box::pin(self.hold_now(subject, classes, held))
    }

    fn standing(&self, subject: Uuid) -> BoxFuture<'_, Result<[Standing; 4], KeyError>> {
        Box::pin(self.standing_now(subject))
    }

    fn invalidate(&self, subject: Option<Uuid>) {
        self.loader.cache.invalidate(subject);
        self.loader.reader.tell(subject);
    }

    fn on_erasure(&self, listener: ErasureListener) {
        self.loader.reader.listen(listener);
    }

    fn look_again(&self) {
        self.loader.reader.wake.notify_one();
    }

    fn begin_anew(&self) -> BoxFuture<'_, Result<(), KeyError>> {
        Box::pin(async {
            let told = sqlx::query_scalar!("select keys.begin_anew()").fetch_one(&self.loader.pool);
            timeout(ROUND_TRIP, told).await.map_err(|_| KeyError::Timeout)??;
            self.loader.reader.wake.notify_one();
            Ok(())
        })
    }

    fn old_keks_gone_at(
        &self,
        since: DateTime<Utc>,
    ) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, KeyError>> {
        Box::pin(async move {
            let at = sqlx::query_scalar!(
                "select min(old_destroyed_at) from keys.rotations where started_at >= $1",
                since
            )
            .fetch_one(&self.loader.pool);
            Ok(timeout(ROUND_TRIP, at).await.map_err(|_| KeyError::Timeout)??)
        })
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), KeyError>> {
        Box::pin(async {
            self.loader.cache.invalidate(None);
            self.loader.reader.leave().await
        })
    }

    fn holders(&self, subject: Uuid) -> BoxFuture<'_, Result<u64, KeyError>> {
        Box::pin(holders(&self.loader.pool, subject))
    }

    fn keyed_hash(&self, scope: &str, value: &[u8]) -> [u8; 32] {
        self.hasher.hash(scope, value)
    }
}
