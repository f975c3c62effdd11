use kernel::{Class, Envelope};
use serde::de::DeserializeOwned;

use super::{OpenError, Sealer, crypt::EnvelopeRef, sealer::LEASE_ATTEMPTS};
use crate::keys::{FoundKey, KeyError};

/// An envelope out of a read model, and what the column it stood in is for.
#[derive(Debug, Clone, Copy)]
pub struct SealedField<'a> {
    pub envelope: &'a Envelope,
    pub class: Class,
    /// End of the field's JSON pointer, for example `/title`: a read model knows the field, not
    /// how deep it stood in the event.
    pub field_suffix: &'a str,
}

/// A sealed value as the query side may show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened<T> {
    Live(T),
    Erased,
}

impl<T> Opened<T> {
    /// The value, or `None` when it is erased.
    pub fn live(self) -> Option<T> {
        match self {
            Self::Live(value) => Some(value),
            Self::Erased => None,
        }
    }
}

impl Sealer {
    /// Opens envelopes one by one, their keys asked for in one call; answers in order. One
    /// envelope that does not open spoils its own answer only.
    ///
    /// # Errors
    /// [`KeyError`] when the key store does not answer; each answer has its own [`OpenError`].
    pub async fn open_fields<T: DeserializeOwned>(
        &self,
        fields: &[SealedField<'_>],
    ) -> Result<Vec<Result<Opened<T>, OpenError>>, KeyError> {
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let envelopes: Vec<EnvelopeRef<'_>> = fields.iter().map(|field| field.envelope.into()).collect();
        for _ in 0..LEASE_ATTEMPTS {
            let keys = self.load(&envelopes).await?;
            let (mut scratch, mut buffer) = (Vec::with_capacity(96), Vec::with_capacity(256));
            let opened: Option<Vec<_>> = fields
                .iter()
                .zip(&envelopes)
                .zip(&keys)
                .map(|((field, envelope), key)| open_one(field, envelope, key, &mut scratch, &mut buffer))
                .collect();
            if let Some(opened) = opened {
                return Ok(opened);
            }
        }
        Err(KeyError::LeaseOver)
    }

    /// Opens one envelope; see [`open_fields`](Self::open_fields).
    ///
    /// # Errors
    /// [`OpenError`]
    pub async fn open_field<T: DeserializeOwned>(
        &self,
        field: SealedField<'_>,
    ) -> Result<Opened<T>, OpenError> {
        // One field in, one answer out.
        self.open_fields(&[field]).await?.pop().unwrap_or(Err(KeyError::Closed.into()))
    }
}

/// `None` when the key's lease is over.
fn open_one<T: DeserializeOwned>(
    field: &SealedField<'_>,
    envelope: &EnvelopeRef<'_>,
    key: &FoundKey,
    scratch: &mut Vec<u8>,
    buffer: &mut Vec<u8>,
) -> Option<Result<Opened<T>, OpenError>> {
    if envelope.class != field.class {
        return Some(Err(envelope.tampered("it is of another class than its column")));
    }
    if !envelope.field.ends_with(field.field_suffix) {
        return Some(Err(envelope.tampered("it is of another field than its column")));
    }
    Some(match key {
        FoundKey::Erased => Ok(Opened::Erased),
        FoundKey::Unknown => Err(envelope.unknown_key()),
        FoundKey::Live(key) => {
            let secret = key.secret()?;
            envelope.open(secret, scratch, buffer).and_then(|()| {
                serde_json::from_slice(buffer).map(Opened::Live).map_err(|_| envelope.other_type())
            })
        }
    })
}
