use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures::future::{BoxFuture, FutureExt, ready};
use kernel::Class;
use uuid::Uuid;

use super::{
    Erasure, FoundKey, KeyError, KeyRequest, KeyStore, KeyedHasher, MAX_LEASE, NONCE_LEN, Provision, Secret,
    Standing, SubjectKey,
};

/// A key store without a database, for tests and benches: gone when the process ends.
pub struct MemoryKeyStore {
    inner: Mutex<Inner>,
    /// Keys are kept wrapped, so that each answer has a secret and a lease of its own.
    wrapping: Secret,
    hasher: KeyedHasher,
}

#[derive(Default)]
struct Inner {
    ids: HashMap<KeyRequest, Uuid>,
    keys: HashMap<Uuid, (KeyRequest, Option<Vec<u8>>)>,
    standing: BTreeMap<(Uuid, Class), Standing>,
}

impl MemoryKeyStore {
    /// # Errors
    /// [`KeyError::NoRandomness`] when the operating system has none.
    pub fn new() -> Result<Self, KeyError> {
        let hasher = KeyedHasher::new(&Secret::random()?);
        Ok(Self { inner: Mutex::default(), wrapping: Secret::random()?, hasher })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and every change is complete in itself.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwrap(&self, id: Uuid, request: KeyRequest, wrapped: &[u8]) -> Result<SubjectKey, KeyError> {
        let mut bytes = wrapped.to_vec();
        self.wrapping
            .decrypt(&[0; NONCE_LEN], id.as_bytes(), &mut bytes)
            .map_err(|_| KeyError::Damaged(id))?;
        let secret = Secret::from_slice(&bytes).ok_or(KeyError::Damaged(id))?;
        Ok(SubjectKey::new(id, request, secret, Instant::now(), MAX_LEASE))
    }

    fn ensure_one(&self, request: KeyRequest) -> Result<Provision, KeyError> {
        let mut inner = self.lock();
        let standing = inner.standing.entry((request.subject, request.class)).or_insert(Standing::Active);
        if *standing == Standing::Erased {
            return Ok(Provision::Erased);
        }
        let id = match inner.ids.get(&request) {
            Some(id) => *id,
            None => {
                let id = Uuid::now_v7();
                let mut wrapped = Secret::random()?.expose().to_vec();
                // The nonce may be constant: it is bound to a new id and the store dies with the process.
                self.wrapping
                    .encrypt(&[0; NONCE_LEN], id.as_bytes(), &mut wrapped)
                    .map_err(|_| KeyError::Damaged(id))?;
                inner.ids.insert(request, id);
                inner.keys.insert(id, (request, Some(wrapped)));
                id
            }
        };
        match inner.keys.get(&id) {
            Some((request, Some(wrapped))) => Ok(Provision::Key(self.unwrap(id, *request, wrapped)?)),
            _ => Ok(Provision::Erased),
        }
    }

    fn open_one(&self, id: Uuid) -> Result<FoundKey, KeyError> {
        match self.lock().keys.get(&id) {
            Some((request, Some(wrapped))) => Ok(FoundKey::Live(self.unwrap(id, *request, wrapped)?)),
            Some((_, None)) => Ok(FoundKey::Erased),
            None => Ok(FoundKey::Unknown),
        }
    }
}

impl KeyStore for MemoryKeyStore {
    fn ensure<'a>(&'a self, wanted: &'a [KeyRequest]) -> BoxFuture<'a, Result<Vec<Provision>, KeyError>> {
        ready(wanted.iter().map(|request| self.ensure_one(*request)).collect()).boxed()
    }

    fn open_many<'a>(&'a self, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<FoundKey>, KeyError>> {
        ready(ids.iter().map(|id| self.open_one(*id)).collect()).boxed()
    }

    fn erase<'a>(&'a self, subject: Uuid, classes: &'a [Class]) -> BoxFuture<'a, Result<Erasure, KeyError>> {
        let mut inner = self.lock();
        let mut done = Erasure::default();
        for class in classes {
            match inner.standing.insert((subject, *class), Standing::Erased) {
                Some(Standing::Sealed) => {
                    inner.standing.insert((subject, *class), Standing::Sealed);
                    done.held.push(*class);
                    continue;
                }
                Some(Standing::Erased) => done.already.push(*class),
                _ => done.erased.push(*class),
            }
            for (request, wrapped) in inner.keys.values_mut() {
                if request.subject == subject && request.class == *class && wrapped.take().is_some() {
                    done.destroyed += 1;
                }
            }
        }
        ready(Ok(done)).boxed()
    }

    fn hold<'a>(
        &'a self,
        subject: Uuid,
        classes: &'a [Class],
        held: bool,
    ) -> BoxFuture<'a, Result<u64, KeyError>> {
        let mut inner = self.lock();
        let mut count = 0;
        for class in classes {
            let standing = inner.standing.entry((subject, *class)).or_insert(Standing::Active);
            if *standing != Standing::Erased {
                *standing = if held { Standing::Sealed } else { Standing::Active };
                count += 1;
            }
        }
        ready(Ok(count)).boxed()
    }

    fn standing(&self, subject: Uuid) -> BoxFuture<'_, Result<[Standing; 4], KeyError>> {
        let inner = self.lock();
        let of = |class| inner.standing.get(&(subject, class)).copied().unwrap_or(Standing::Never);
        ready(Ok(Class::ALL.map(of))).boxed()
    }

    fn invalidate(&self, _subject: Option<Uuid>) {}

    fn keyed_hash(&self, scope: &str, value: &[u8]) -> [u8; 32] {
        self.hasher.hash(scope, value)
    }
}
