use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use kernel::Class;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    SealError,
    crypt::bound,
    pointer::{Marker, Place, marker},
};
use crate::{
    canonical::canonical,
    keys::{KeyError, KeyRequest, KeyStore, NONCE_LEN, Provision, SubjectKey},
};

/// How often keys are asked for again when their lease ran out before they were used. Once is a
/// long pause at the wrong moment; three times in a row is a machine that cannot work.
pub(super) const LEASE_ATTEMPTS: usize = 3;

/// Seals and opens personal fields. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    pub(super) keys: Arc<dyn KeyStore>,
}

/// One event's payload, to be sealed in place.
pub struct SealJob<'a> {
    pub event_id: Uuid,
    /// Its year names the key.
    pub occurred_at: DateTime<Utc>,
    pub payload: &'a mut Value,
}

/// A personal value found in a payload.
struct Fresh {
    job: usize,
    field: String,
    request: KeyRequest,
    /// Canonical JSON.
    plain: String,
}

impl Sealer {
    #[must_use]
    pub fn new(keys: Arc<dyn KeyStore>) -> Self {
        Self { keys }
    }

    /// The key store it uses.
    #[must_use]
    pub fn keys(&self) -> &Arc<dyn KeyStore> {
        &self.keys
    }

    /// Seals one event's payload; see [`seal_all`](Self::seal_all).
    ///
    /// # Errors
    /// [`SealError`]
    pub async fn seal(
        &self,
        event_id: Uuid,
        occurred_at: DateTime<Utc>,
        payload: &mut Value,
    ) -> Result<(), SealError> {
        self.seal_all(&mut [SealJob { event_id, occurred_at, payload }]).await
    }

    /// Replaces every `$personal` of every payload by its `$sealed`. All keys are asked for in
    /// one call; payloads without personal fields cost one walk and no allocation.
    ///
    /// # Errors
    /// [`SealError`]; no payload was changed then.
    pub async fn seal_all(&self, jobs: &mut [SealJob<'_>]) -> Result<(), SealError> {
        let mut fresh = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            let mut walk =
                Collect { event: job.event_id, at: job.occurred_at, job: index, found: &mut fresh };
            walk.value(job.payload, &Place::Root)?;
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let wanted: Vec<KeyRequest> = fresh.iter().map(|field| field.request).collect();
        for _ in 0..LEASE_ATTEMPTS {
            let keys = self.keys.ensure(&wanted).await?;
            if let Some(sealed) = encrypt(&fresh, &keys, jobs)? {
                for (field, envelope) in fresh.iter().zip(sealed) {
                    // The pointer was made from this very payload.
                    if let Some(place) = jobs[field.job].payload.pointer_mut(&field.field) {
                        *place = envelope;
                    }
                }
                return Ok(());
            }
        }
        Err(KeyError::LeaseOver.into())
    }
}

/// The envelopes in the order of `fresh`, or `None` when a lease ran out on the way.
fn encrypt(
    fresh: &[Fresh],
    keys: &[Provision],
    jobs: &[SealJob<'_>],
) -> Result<Option<Vec<Value>>, SealError> {
    let mut scratch = Vec::with_capacity(96);
    let mut sealed = Vec::with_capacity(fresh.len());
    for (field, provision) in fresh.iter().zip(keys) {
        let event = jobs[field.job].event_id;
        let KeyRequest { subject, class, .. } = field.request;
        let Provision::Key(key) = provision else {
            return Err(SealError::Erased { event, field: field.field.clone(), subject, class });
        };
        match envelope(key, event, field, &mut scratch) {
            Some(envelope) => sealed.push(envelope),
            None => return Ok(None),
        }
    }
    Ok(Some(sealed))
}

fn envelope(key: &SubjectKey, event: Uuid, field: &Fresh, scratch: &mut Vec<u8>) -> Option<Value> {
    let KeyRequest { subject, class, .. } = field.request;
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce);
    bound(scratch, event, &field.field, subject, class);
    let mut buffer = Vec::with_capacity(field.plain.len() + 16);
    buffer.extend_from_slice(field.plain.as_bytes());
    // Fails only beyond 256 GiB, which no payload reaches; then it ends as a lease that never holds.
    key.secret()?.encrypt(&nonce, scratch, &mut buffer).ok()?;
    let mut envelope = Map::new();
    envelope.insert("class".to_owned(), class.as_str().into());
    envelope.insert("subject".to_owned(), subject.to_string().into());
    envelope.insert("key".to_owned(), key.id().to_string().into());
    envelope.insert("event".to_owned(), event.to_string().into());
    envelope.insert("field".to_owned(), field.field.as_str().into());
    envelope.insert("nonce".to_owned(), STANDARD.encode(nonce).into());
    envelope.insert("box".to_owned(), STANDARD.encode(&buffer).into());
    let mut sealed = Map::new();
    sealed.insert("$sealed".to_owned(), Value::Object(envelope));
    Some(Value::Object(sealed))
}

/// Finds the fresh personal values of one payload and refuses what must not be stored.
struct Collect<'f> {
    event: Uuid,
    at: DateTime<Utc>,
    job: usize,
    found: &'f mut Vec<Fresh>,
}

impl Collect<'_> {
    fn value(&mut self, value: &Value, place: &Place<'_>) -> Result<(), SealError> {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &Place::Index(place, index))?;
                }
            }
            Value::Object(object) => match marker(object) {
                None => {
                    for (key, member) in object {
                        self.value(member, &Place::Key(place, key))?;
                    }
                }
                Some(Marker::Personal(personal)) => {
                    let fresh = self.fresh(personal, place)?;
                    self.found.push(fresh);
                }
                Some(other) => return Err(self.refuse(&other, place)),
            },
            _ => {}
        }
        Ok(())
    }

    fn fresh(&self, personal: &Value, place: &Place<'_>) -> Result<Fresh, SealError> {
        let field = place.to_string();
        let read = || {
            let object = personal.as_object().filter(|object| object.len() == 3)?;
            let class = Class::parse(object.get("class")?.as_str()?)?;
            let subject = Uuid::try_parse(object.get("subject")?.as_str()?).ok()?;
            let value = object.get("value")?;
            // A marker inside would be opened as a value of its own.
            (!has_marker(value)).then_some((class, subject, value))
        };
        let Some((class, subject, value)) = read() else {
            return Err(SealError::Malformed { event: self.event, field });
        };
        match canonical(value) {
            Ok(plain) => {
                Ok(Fresh { job: self.job, field, request: KeyRequest::at(subject, class, self.at), plain })
            }
            Err(error) => Err(SealError::NotCanonical { event: self.event, field, error }),
        }
    }

    fn refuse(&self, found: &Marker<'_>, place: &Place<'_>) -> SealError {
        let (event, field) = (self.event, place.to_string());
        let marker = match found {
            Marker::Sealed(_) => "$sealed",
            Marker::Opened => "$opened",
            Marker::Erased => "$erased",
            Marker::Personal(_) | Marker::Mixed => return SealError::Malformed { event, field },
        };
        SealError::NotFresh { event, field, marker }
    }
}

fn has_marker(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_marker),
        Value::Object(object) => marker(object).is_some() || object.values().any(has_marker),
        _ => false,
    }
}
