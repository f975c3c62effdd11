use chrono::{DateTime, Datelike, Utc};
use futures::future::BoxFuture;
use kernel::Class;
use uuid::Uuid;

use super::{ErasureListener, KeyError, SubjectKey};

/// Which key: the person, what it protects, and the year of the event (so that retention by age
/// can shred without touching newer data).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyRequest {
    pub subject: Uuid,
    pub class: Class,
    /// Calendar year in UTC of the event's `occurred_at`.
    pub year: i16,
}

impl KeyRequest {
    #[must_use]
    pub fn at(subject: Uuid, class: Class, occurred_at: DateTime<Utc>) -> Self {
        Self { subject, class, year: year_of(occurred_at) }
    }
}

/// The year that names an event's keys.
#[must_use]
pub fn year_of(occurred_at: DateTime<Utc>) -> i16 {
    // chrono's years reach ±262,142; a clock that far off gets the type's bound.
    i16::try_from(occurred_at.year()).unwrap_or(i16::MAX)
}

/// Answer of [`KeyStore::ensure`].
#[derive(Debug, Clone)]
pub enum Provision {
    Key(SubjectKey),
    /// The person's data of this class was forgotten, or this year's was shredded. Final: no new
    /// key will ever be made for it.
    Erased,
}

/// Answer of [`KeyStore::open_many`].
#[derive(Debug, Clone)]
pub enum FoundKey {
    Live(SubjectKey),
    Erased,
    /// This key store never made that key: another store, or one restored from before it.
    /// Never to be shown as erased.
    Unknown,
}

/// Where a person's data of one class stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No key was ever made.
    Never,
    Active,
    /// Under a legal hold: readable as before, but not to be destroyed.
    Sealed,
    Erased,
}

/// What [`KeyStore::erase`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Wrapped keys destroyed now.
    pub destroyed: u64,
    /// Classes that are erased now, with or without a key to destroy.
    pub erased: Vec<Class>,
    /// Classes that were erased before; asking twice is no error.
    pub already: Vec<Class>,
    /// Classes left alone because of a legal hold.
    pub held: Vec<Class>,
}

/// Keys by person and class. Object-safe; shared as `Arc<dyn KeyStore>`.
pub trait KeyStore: Send + Sync {
    /// Reads or makes the key of each request; answers in the order of `wanted`. Missing keys are
    /// made in one statement, and concurrent callers share one round trip.
    fn ensure<'a>(&'a self, wanted: &'a [KeyRequest]) -> BoxFuture<'a, Result<Vec<Provision>, KeyError>>;

    /// Loads keys by id, as envelopes name them; answers in the order of `ids`.
    fn open_many<'a>(&'a self, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<FoundKey>, KeyError>>;

    /// Destroys all keys of the person in these classes, of all years, and forbids new ones for
    /// ever. Classes under a hold are left alone and named. Other processes may go on using a
    /// cached key until its lease ends ([`MAX_LEASE`](super::MAX_LEASE)).
    fn erase<'a>(&'a self, subject: Uuid, classes: &'a [Class]) -> BoxFuture<'a, Result<Erasure, KeyError>>;

    /// Places (`true`) or lifts (`false`) a legal hold; erased classes stay erased. Returns the
    /// number of classes that are now as wished.
    fn hold<'a>(
        &'a self,
        subject: Uuid,
        classes: &'a [Class],
        held: bool,
    ) -> BoxFuture<'a, Result<u64, KeyError>>;

    /// Where the person's classes stand, in the order of [`Class::ALL`].
    fn standing(&self, subject: Uuid) -> BoxFuture<'_, Result<[Standing; 4], KeyError>>;

    /// Drops this process's cached keys of one person, or of all (`None`). Called when another
    /// process announces an erasure; the lease covers the case that nobody does.
    fn invalidate(&self, subject: Option<Uuid>);

    /// Called for every erasure this process learns of, before it says that it holds nothing of
    /// the person any more: drop what was decrypted. Short, never blocking.
    fn on_erasure(&self, listener: ErasureListener) {
        let _ = listener;
    }

    /// Somebody says that there was an erasure: ask at once, not at the next turn.
    fn look_again(&self) {}

    /// Makes every process drop what it has in memory, as after an erasure: of nobody, so that
    /// [`KeyStore::holders`] of the nil id says who has not yet.
    fn begin_anew(&self) -> BoxFuture<'_, Result<(), KeyError>> {
        self.invalidate(None);
        Box::pin(std::future::ready(Ok(())))
    }

    /// When no backup of the key store from before `since` opened anything any more, because every
    /// key-encryption key of that time was destroyed in an exchange begun later. `None`: never.
    fn old_keks_gone_at(
        &self,
        since: DateTime<Utc>,
    ) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, KeyError>> {
        let _ = since;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Says goodbye, so that no erasure waits for this process; keys are not to be used afterwards.
    fn leave(&self) -> BoxFuture<'_, Result<(), KeyError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// How many processes may still hold a key of this erased person in memory.
    fn holders(&self, subject: Uuid) -> BoxFuture<'_, Result<u64, KeyError>> {
        let _ = subject;
        Box::pin(std::future::ready(Ok(0)))
    }

    /// HMAC-SHA-256 of `value` under a key of its own per `scope`. The same in every process on
    /// this key store; a hash of one scope says nothing about another's. For receipts and
    /// reservations: a guessable value (an e-mail address) must not be found by hashing guesses.
    fn keyed_hash(&self, scope: &str, value: &[u8]) -> [u8; 32];
}
