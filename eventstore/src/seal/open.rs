use kernel::RecordedEvent;
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use super::{
    OpenError, Sealer,
    crypt::EnvelopeRef,
    pointer::{Marker, Place, marker},
    sealer::LEASE_ATTEMPTS,
};
use crate::keys::{FoundKey, KeyError};

/// A stored JSON value, to be opened in place.
pub struct OpenJob<'a> {
    /// The event whose payload this is: then each envelope must be the one sealed for this event
    /// and for the field where it stands. `None` for snapshots and rows, which gather the
    /// envelopes of many events.
    pub event: Option<Uuid>,
    pub value: &'a mut Value,
}

/// What became of one envelope.
pub(super) enum Outcome {
    Live(Value),
    Erased,
}

impl Sealer {
    /// Replaces every `$sealed` by `$opened`, or by `$erased` when its key is gone. All keys are
    /// asked for in one call.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub async fn open(&self, jobs: &mut [OpenJob<'_>]) -> Result<(), OpenError> {
        let mut envelopes = Vec::new();
        for job in jobs.iter() {
            collect(job.value, &Place::Root, job.event, &mut envelopes)?;
        }
        if envelopes.is_empty() {
            return Ok(());
        }
        let mut outcomes = self.open_values(&envelopes).await?.into_iter();
        for job in jobs {
            replace(job.value, &mut outcomes);
        }
        Ok(())
    }

    /// Opens the payloads of events read from the log, each checked against its own event.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub async fn open_events(&self, events: &mut [RecordedEvent]) -> Result<(), OpenError> {
        let texts: Vec<(Option<Uuid>, &str)> =
            events.iter().map(|event| (Some(event.event_id), event.payload.get())).collect();
        let opened = self.open_texts(&texts).await?;
        for (event, text) in events.iter_mut().zip(opened) {
            if let Some(text) = text {
                event.payload = text;
            }
        }
        Ok(())
    }

    /// Opens JSON texts, each with the event it belongs to as in [`OpenJob`]; answers in order,
    /// `None` where nothing was sealed and the text stands as it is.
    ///
    /// # Errors
    /// [`OpenError`]
    pub async fn open_texts(
        &self,
        texts: &[(Option<Uuid>, &str)],
    ) -> Result<Vec<Option<Box<RawValue>>>, OpenError> {
        let mut values = Vec::new();
        for (index, (event, text)) in texts.iter().enumerate() {
            // A marker's name has no escapes in what Postgres and serde_json print, and a text
            // that merely mentions it costs a parse.
            if text.contains("\"$") {
                let value: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
                values.push((index, *event, value));
            }
        }
        let mut jobs: Vec<OpenJob<'_>> =
            values.iter_mut().map(|(_, event, value)| OpenJob { event: *event, value }).collect();
        self.open(&mut jobs).await?;
        let mut opened: Vec<Option<Box<RawValue>>> = texts.iter().map(|_| None).collect();
        for (index, _, value) in values {
            opened[index] = Some(serde_json::value::to_raw_value(&value).map_err(|error| not_json(&error))?);
        }
        Ok(opened)
    }

    async fn open_values(&self, envelopes: &[EnvelopeRef<'_>]) -> Result<Vec<Outcome>, OpenError> {
        for _ in 0..LEASE_ATTEMPTS {
            let keys = self.load(envelopes).await?;
            if let Some(outcomes) = decrypt(envelopes, &keys)? {
                return Ok(outcomes);
            }
        }
        Err(KeyError::LeaseOver.into())
    }

    pub(super) async fn load(&self, envelopes: &[EnvelopeRef<'_>]) -> Result<Vec<FoundKey>, KeyError> {
        let ids: Vec<Uuid> = envelopes.iter().map(|envelope| envelope.key).collect();
        self.keys.open_many(&ids).await
    }
}

fn not_json(error: &serde_json::Error) -> OpenError {
    OpenError::NotJson { line: error.line(), column: error.column() }
}

/// The values in the order of `envelopes`, or `None` when a lease ran out on the way.
fn decrypt(envelopes: &[EnvelopeRef<'_>], keys: &[FoundKey]) -> Result<Option<Vec<Outcome>>, OpenError> {
    let (mut scratch, mut buffer) = (Vec::with_capacity(96), Vec::with_capacity(256));
    let mut outcomes = Vec::with_capacity(envelopes.len());
    for (envelope, key) in envelopes.iter().zip(keys) {
        outcomes.push(match key {
            FoundKey::Erased => Outcome::Erased,
            FoundKey::Unknown => return Err(envelope.unknown_key()),
            FoundKey::Live(key) => {
                let Some(secret) = key.secret() else { return Ok(None) };
                envelope.open(secret, &mut scratch, &mut buffer)?;
                // It is authentic, so it is the canonical JSON that was sealed.
                let value = serde_json::from_slice(&buffer).map_err(|_| envelope.other_type())?;
                Outcome::Live(value)
            }
        });
    }
    Ok(Some(outcomes))
}

fn collect<'v>(
    value: &'v Value,
    place: &Place<'_>,
    event: Option<Uuid>,
    found: &mut Vec<EnvelopeRef<'v>>,
) -> Result<(), OpenError> {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &Place::Index(place, index), event, found)?;
            }
        }
        Value::Object(object) => match marker(object) {
            None => {
                for (key, member) in object {
                    collect(member, &Place::Key(place, key), event, found)?;
                }
            }
            Some(Marker::Sealed(sealed)) => {
                let envelope = EnvelopeRef::read(sealed)
                    .ok_or_else(|| OpenError::Malformed { field: place.to_string() })?;
                if let Some(event) = event {
                    if envelope.event != event {
                        return Err(envelope.tampered("it stands in another event's payload"));
                    }
                    if !place.is(envelope.field) {
                        return Err(envelope.tampered("it stands at another field"));
                    }
                }
                found.push(envelope);
            }
            // Nothing stored carries these: a plain value smuggled in must not read as an opened one.
            Some(_) => return Err(OpenError::Malformed { field: place.to_string() }),
        },
        _ => {}
    }
    Ok(())
}

/// Puts the outcomes in the places of the envelopes, in the order of [`collect`].
fn replace(value: &mut Value, outcomes: &mut impl Iterator<Item = Outcome>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, outcomes)),
        Value::Object(object) => match object.remove("$sealed") {
            None => object.values_mut().for_each(|member| replace(member, outcomes)),
            Some(sealed) => match outcomes.next() {
                Some(Outcome::Live(value)) => {
                    let mut opened = Map::new();
                    opened.insert("value".to_owned(), value);
                    opened.insert("sealed".to_owned(), sealed);
                    object.insert("$opened".to_owned(), Value::Object(opened));
                }
                // One outcome was made per envelope of this very walk, so none can be missing.
                Some(Outcome::Erased) | None => {
                    object.insert("$erased".to_owned(), sealed);
                }
            },
        },
        _ => {}
    }
}
