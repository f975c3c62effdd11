use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use uuid::Uuid;

use super::{FoundKey, KeyRequest, SubjectKey};

/// Keys in memory, by what they are for and by id. Bounded; an entry whose lease is over is as
/// good as none.
pub(super) struct KeyCache {
    by_request: Cache<KeyRequest, SubjectKey>,
    /// Erased ones too: that is final, and a page about forgotten people would otherwise ask for
    /// them every time. `None` is erased.
    by_id: Cache<Uuid, Option<SubjectKey>>,
    /// Counts invalidations, so that an answer that was under way meanwhile is not kept.
    invalidations: AtomicU64,
}

/// Taken before the store is asked, given back with the answer.
#[derive(Clone, Copy)]
pub(super) struct Before(u64);

impl KeyCache {
    pub fn new(entries: usize) -> Self {
        Self { by_request: Cache::new(entries), by_id: Cache::new(entries), invalidations: AtomicU64::new(0) }
    }

    pub fn by_request(&self, request: &KeyRequest) -> Option<SubjectKey> {
        self.by_request.get(request).filter(|key| key.secret().is_some())
    }

    pub fn by_id(&self, id: &Uuid) -> Option<FoundKey> {
        match self.by_id.get(id)? {
            None => Some(FoundKey::Erased),
            Some(key) => key.secret().is_some().then_some(FoundKey::Live(key)),
        }
    }

    pub fn before(&self) -> Before {
        Before(self.invalidations.load(Ordering::SeqCst))
    }

    pub fn keep(&self, key: &SubjectKey, before: Before) {
        let (request, id) = (key.request(), key.id());
        self.by_request.insert(request, key.clone());
        self.by_id.insert(id, Some(key.clone()));
        // Looked at after the insert: an invalidation counts first and removes afterwards, so
        // either it finds the entry or we find its count.
        if self.invalidations.load(Ordering::SeqCst) != before.0 {
            self.by_request.remove(&request);
            self.by_id.remove(&id);
        }
    }

    pub fn keep_erased(&self, id: Uuid) {
        self.by_id.insert(id, None);
    }

    pub fn invalidate(&self, subject: Option<Uuid>) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        match subject {
            // A walk over the whole cache: milliseconds at 100,000 entries, once per erasure.
            Some(subject) => {
                self.by_request.retain(|request, _| request.subject != subject);
                self.by_id.retain(|_, key| key.as_ref().is_none_or(|key| key.request().subject != subject));
            }
            None => {
                self.by_request.clear();
                self.by_id.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use kernel::Class;

    use super::*;
    use crate::keys::{MAX_LEASE, Secret};

    fn key(subject: u128, read_at: Instant) -> SubjectKey {
        let request = KeyRequest { subject: Uuid::from_u128(subject), class: Class::Content, year: 2026 };
        SubjectKey::new(
            Uuid::from_u128(subject + 100),
            request,
            Secret::random().unwrap(),
            read_at,
            MAX_LEASE,
        )
    }

    #[test]
    fn an_entry_past_its_lease_is_not_used() {
        let (cache, now) = (KeyCache::new(10), Instant::now());
        let (fresh, old) = (key(1, now), key(2, now.checked_sub(Duration::from_secs(61)).unwrap()));
        for key in [&fresh, &old] {
            cache.keep(key, cache.before());
        }
        assert!(cache.by_request(&fresh.request()).is_some() && cache.by_id(&fresh.id()).is_some());
        assert!(cache.by_request(&old.request()).is_none() && cache.by_id(&old.id()).is_none());
    }

    #[test]
    fn invalidating_a_person_leaves_the_others() {
        let cache = KeyCache::new(10);
        let (one, two) = (key(1, Instant::now()), key(2, Instant::now()));
        for key in [&one, &two] {
            cache.keep(key, cache.before());
        }
        cache.invalidate(Some(one.request().subject));
        assert!(cache.by_request(&one.request()).is_none() && cache.by_id(&one.id()).is_none());
        assert!(cache.by_request(&two.request()).is_some() && cache.by_id(&two.id()).is_some());
        cache.invalidate(None);
        assert!(cache.by_id(&two.id()).is_none());
    }

    #[test]
    fn an_answer_from_before_an_invalidation_is_not_kept() {
        let cache = KeyCache::new(10);
        let (key, before) = (key(1, Instant::now()), cache.before());
        cache.invalidate(Some(key.request().subject));
        cache.keep(&key, before);
        assert!(cache.by_request(&key.request()).is_none() && cache.by_id(&key.id()).is_none());
    }
}
