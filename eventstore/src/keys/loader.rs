use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kernel::Class;
use sqlx::PgPool;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    FoundKey, KekRing, KeyError, KeyRequest, KeyedHasher, Provision, Secret, SubjectKey, cache::KeyCache,
    readers::SharedReader,
};
use crate::canonical::prefixed;

/// How long a round trip may take, waiting for a connection included. Longer: commands hang on a
/// key store that is gone. Shorter: a checkpoint of its disk already fails them.
pub(super) const ROUND_TRIP: Duration = Duration::from_secs(5);

/// The statements of the key store, and what unwraps their rows.
pub(super) struct Loader {
    pub pool: PgPool,
    pub kek: KekRing,
    pub cache: KeyCache,
    pub lease: Duration,
    pub reader: SharedReader,
}

/// The key store's word for a key wrapped under a key-encryption key that was exchanged meanwhile.
const OTHER_KEK: &str = "WG010";

impl Loader {
    /// Reads or makes the keys of distinct requests in one round trip; answers in their order.
    pub async fn ensure(&self, wanted: &[KeyRequest]) -> Result<Vec<Provision>, KeyError> {
        self.reader.freshen(&self.cache, &self.kek).await?;
        match self.ensure_once(wanted).await {
            Err(KeyError::Database(error))
                if error.as_database_error().and_then(|e| e.code()).as_deref() == Some(OTHER_KEK) =>
            {
                self.reader.ask(&self.cache, &self.kek).await?;
                self.ensure_once(wanted).await
            }
            other => other,
        }
    }

    async fn ensure_once(&self, wanted: &[KeyRequest]) -> Result<Vec<Provision>, KeyError> {
        let kek = self.kek.current();
        let (read_at, before) = (Instant::now(), self.cache.before());
        let (mut ids, mut wrapped) = (Vec::with_capacity(wanted.len()), Vec::with_capacity(wanted.len()));
        for request in wanted {
            let id = Uuid::now_v7();
            wrapped.push(kek.wrap(&Secret::random()?, &bound(id, request))?);
            ids.push(id);
        }
        let subjects: Vec<Uuid> = wanted.iter().map(|request| request.subject).collect();
        let classes: Vec<&str> = wanted.iter().map(|request| request.class.as_str()).collect();
        let years: Vec<i16> = wanted.iter().map(|request| request.year).collect();
        let rows = sqlx::query!(
            r#"select n as "n!", key_id, key_wrapped, key_kek_id, is_erased as "is_erased!"
               from keys.ensure_keys($1, $2, $3, $4, $5, $6)"#,
            &subjects,
            &classes as &[&str],
            &years,
            &ids,
            &wrapped,
            kek.id(),
        )
        .fetch_all(&self.pool);
        let rows = timeout(ROUND_TRIP, rows).await.map_err(|_| KeyError::Timeout)??;
        let mut answers: Vec<Option<Provision>> = wanted.iter().map(|_| None).collect();
        for row in rows {
            let index = usize::try_from(row.n - 1).unwrap_or(usize::MAX);
            let (Some(request), Some(answer)) = (wanted.get(index), answers.get_mut(index)) else { continue };
            *answer = match (row.is_erased, row.key_id, row.key_wrapped, row.key_kek_id) {
                (true, ..) => Some(Provision::Erased),
                (false, Some(id), Some(wrapped), Some(kek_id)) => {
                    let key = self.unwrap(id, request, &wrapped, &kek_id, read_at)?;
                    self.cache.keep(&key, before);
                    Some(Provision::Key(key))
                }
                _ => None,
            };
        }
        // The function answers one row per element; anything else is another function.
        answers.into_iter().collect::<Option<_>>().ok_or(KeyError::Incomplete)
    }

    /// Loads keys by id in one round trip; answers in the order of `ids`.
    pub async fn open_many(&self, ids: &[Uuid]) -> Result<Vec<FoundKey>, KeyError> {
        self.reader.freshen(&self.cache, &self.kek).await?;
        let (read_at, before) = (Instant::now(), self.cache.before());
        let rows = sqlx::query!(
            "select id, subject, class, year, wrapped, kek_id from keys.subject_keys where id = any($1)",
            ids,
        )
        .fetch_all(&self.pool);
        let rows = timeout(ROUND_TRIP, rows).await.map_err(|_| KeyError::Timeout)??;
        let mut found = std::collections::HashMap::with_capacity(rows.len());
        for row in rows {
            let state = match (row.wrapped, row.kek_id) {
                (Some(wrapped), Some(kek_id)) => {
                    let class = Class::parse(&row.class).ok_or(KeyError::Damaged(row.id))?;
                    let request = KeyRequest { subject: row.subject, class, year: row.year };
                    let key = self.unwrap(row.id, &request, &wrapped, &kek_id, read_at)?;
                    self.cache.keep(&key, before);
                    FoundKey::Live(key)
                }
                _ => {
                    self.cache.keep_erased(row.id);
                    FoundKey::Erased
                }
            };
            found.insert(row.id, state);
        }
        Ok(ids.iter().map(|id| found.get(id).cloned().unwrap_or(FoundKey::Unknown)).collect())
    }

    fn unwrap(
        &self,
        id: Uuid,
        request: &KeyRequest,
        wrapped: &[u8],
        kek_id: &str,
        read_at: Instant,
    ) -> Result<SubjectKey, KeyError> {
        let secret = by_id(&self.kek, kek_id)?
            .unwrap(wrapped, &bound(id, request))
            .map_err(|_| KeyError::Damaged(id))?;
        Ok(SubjectKey::new(id, *request, secret, read_at, self.lease))
    }
}

/// Says which key-encryption key holds (the given one, where none did before) and reads the keyed
/// hasher, made at the installation's first boot.
pub(super) async fn begin(pool: &PgPool, kek: &KekRing) -> Result<KeyedHasher, KeyError> {
    let holds = sqlx::query_scalar!(
        r#"select coalesce(c.kek_id, (select s.kek_id from keys.secrets s limit 1)) from keys.control c"#
    )
    .fetch_one(pool)
    .await?;
    if let Some(id) = &holds {
        kek.select(id)?;
    }
    let current = kek.current();
    let fresh = current.wrap(&Secret::random()?, HASH_KEY.as_bytes())?;
    // Two first boots at once: one inserts, and both read what is there afterwards.
    sqlx::query!(
        "insert into keys.secrets (name, wrapped, kek_id) values ($1, $2, $3) on conflict do nothing",
        HASH_KEY,
        fresh,
        current.id(),
    )
    .execute(pool)
    .await?;
    let row = sqlx::query!("select wrapped, kek_id from keys.secrets where name = $1", HASH_KEY)
        .fetch_one(pool)
        .await?;
    let master = by_id(kek, &row.kek_id)?
        .unwrap(&row.wrapped, HASH_KEY.as_bytes())
        .map_err(|_| KeyError::DamagedHashKey)?;
    // Only now: what holds is what has opened something.
    sqlx::query!("update keys.control set kek_id = $1 where kek_id is null", row.kek_id)
        .execute(pool)
        .await?;
    Ok(KeyedHasher::new(&master))
}

/// Name of the hash key among the secrets; what it is bound to.
pub(super) const HASH_KEY: &str = "keyed_hash";

pub(super) fn by_id(kek: &KekRing, id: &str) -> Result<Arc<dyn super::KeyEncryption>, KeyError> {
    kek.find(id)
        .ok_or_else(|| KeyError::OtherKek { stored: id.to_owned(), given: kek.current().id().to_owned() })
}

/// What a wrapped key is bound to: a row copied over another one does not unwrap.
pub(super) fn bound(id: Uuid, request: &KeyRequest) -> Vec<u8> {
    let mut bound = Vec::with_capacity(64);
    prefixed(&mut bound, id.as_bytes());
    prefixed(&mut bound, request.subject.as_bytes());
    prefixed(&mut bound, request.class.as_str().as_bytes());
    prefixed(&mut bound, &request.year.to_be_bytes());
    bound
}
