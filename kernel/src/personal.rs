use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

/// Class of personal data: what a key protects and what retention and erasure speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Identity,
    Contact,
    Location,
    Content,
}

impl Class {
    pub const ALL: [Self; 4] = [Self::Identity, Self::Contact, Self::Location, Self::Content];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Contact => "contact",
            Self::Location => "location",
            Self::Content => "content",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// A sealed personal field as the log, snapshots and read models keep it.
///
/// `event` and `field` are those it was sealed for: they are bound into the ciphertext, so an
/// envelope can be copied whole into a read model and still proves where it came from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    pub class: Class,
    /// The person the value is about.
    pub subject: Uuid,
    /// Id of the subject key in the key store.
    pub key: Uuid,
    pub event: Uuid,
    /// JSON pointer of the field in its event's payload.
    pub field: String,
    /// base64
    pub nonce: String,
    /// base64, ciphertext and tag
    #[serde(rename = "box")]
    pub ciphertext: String,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({} of {})", self.class.as_str(), self.subject)
    }
}

/// A value about a person. The only form in which personal data may be part of an event.
///
/// Has no `Display`, and its `Debug` shows no value, so that it cannot reach a log line.
/// In JSON it is `{"$personal":…}` when fresh (the store seals it before anything is hashed or
/// written) and `{"$sealed":…}` wherever it is stored.
#[derive(Clone)]
pub enum Personal<T> {
    /// Readable. `sealed` is the envelope it was opened from; `None` when it is fresh.
    Live { class: Class, subject: Uuid, value: T, sealed: Option<Box<Envelope>> },
    /// Not opened; what projections see and copy.
    Sealed(Box<Envelope>),
    /// The key is gone for good.
    Erased { class: Class, subject: Uuid, sealed: Option<Box<Envelope>> },
    /// The field was removed from the log by redaction.
    Redacted,
}

impl<T> Personal<T> {
    /// A fresh value about `subject`.
    pub const fn new(class: Class, subject: Uuid, value: T) -> Self {
        Self::Live { class, subject, value, sealed: None }
    }

    /// The value, when it is readable here.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Live { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The same value for a new event: without the old envelope, so that it is sealed again
    /// for that event. An aggregate that repeats a value from its state must use this.
    #[must_use]
    pub fn renewed(&self) -> Option<Self>
    where
        T: Clone,
    {
        match self {
            Self::Live { class, subject, value, .. } => Some(Self::new(*class, *subject, value.clone())),
            _ => None,
        }
    }

    /// The stored form, if it has one.
    pub fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::Live { sealed, .. } | Self::Erased { sealed, .. } => sealed.as_deref(),
            Self::Sealed(envelope) => Some(envelope),
            Self::Redacted => None,
        }
    }
}

impl<T: PartialEq> PartialEq for Personal<T> {
    /// Equal by what it says, not by the envelope around it.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Live { class: c1, subject: s1, value: v1, .. },
                Self::Live { class: c2, subject: s2, value: v2, .. },
            ) => c1 == c2 && s1 == s2 && v1 == v2,
            (Self::Sealed(a), Self::Sealed(b)) => a == b,
            (Self::Erased { class: c1, subject: s1, .. }, Self::Erased { class: c2, subject: s2, .. }) => {
                c1 == c2 && s1 == s2
            }
            (Self::Redacted, Self::Redacted) => true,
            _ => false,
        }
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, class) = match self {
            Self::Live { class, .. } => ("live", class.as_str()),
            Self::Sealed(envelope) => ("sealed", envelope.class.as_str()),
            Self::Erased { class, .. } => ("erased", class.as_str()),
            Self::Redacted => ("redacted", "-"),
        };
        write!(f, "Personal({state} {class})")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fresh<T> {
    class: Class,
    subject: Uuid,
    value: T,
}

/// What the key store hands to readers after opening; never stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened<T> {
    value: T,
    sealed: Box<Envelope>,
}

#[derive(Serialize, Deserialize)]
enum Wire<T> {
    #[serde(rename = "$personal")]
    Fresh(Fresh<T>),
    #[serde(rename = "$sealed")]
    Sealed(Box<Envelope>),
    #[serde(rename = "$opened")]
    Opened(Opened<T>),
    #[serde(rename = "$erased")]
    Erased(Box<Envelope>),
    #[serde(rename = "$redacted")]
    Redacted(bool),
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire: Wire<&T> = match self {
            Self::Live { class, subject, value, sealed: None } => {
                Wire::Fresh(Fresh { class: *class, subject: *subject, value })
            }
            Self::Live { sealed: Some(envelope), .. }
            | Self::Sealed(envelope)
            | Self::Erased { sealed: Some(envelope), .. } => Wire::Sealed(envelope.clone()),
            Self::Erased { sealed: None, .. } | Self::Redacted => Wire::Redacted(true),
        };
        wire.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Wire::<T>::deserialize(deserializer)? {
            Wire::Fresh(Fresh { class, subject, value }) => Self::new(class, subject, value),
            Wire::Sealed(envelope) => Self::Sealed(envelope),
            Wire::Opened(Opened { value, sealed }) => {
                Self::Live { class: sealed.class, subject: sealed.subject, value, sealed: Some(sealed) }
            }
            Wire::Erased(envelope) => {
                Self::Erased { class: envelope.class, subject: envelope.subject, sealed: Some(envelope) }
            }
            Wire::Redacted(true) => Self::Redacted,
            Wire::Redacted(false) => return Err(D::Error::custom("$redacted is always true")),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope() -> serde_json::Value {
        json!({"class": "identity", "subject": Uuid::nil(), "key": Uuid::nil(), "event": Uuid::nil(),
               "field": "/title", "nonce": "AA==", "box": "AA=="})
    }

    #[test]
    fn a_fresh_value_is_marked_for_sealing() {
        let personal = Personal::new(Class::Contact, Uuid::nil(), "a@b.example".to_owned());
        assert_eq!(
            serde_json::to_value(&personal).unwrap(),
            json!({"$personal": {"class": "contact", "subject": Uuid::nil(), "value": "a@b.example"}})
        );
    }

    #[test]
    fn an_opened_value_is_stored_again_as_its_envelope_only() {
        let opened = json!({"$opened": {"value": "Ada", "sealed": envelope()}});
        let personal: Personal<String> = serde_json::from_value(opened).unwrap();
        assert_eq!(personal.value().unwrap(), "Ada");
        assert_eq!(serde_json::to_value(&personal).unwrap(), json!({"$sealed": envelope()}));
    }

    #[test]
    fn debug_shows_no_value() {
        let personal = Personal::new(Class::Identity, Uuid::nil(), "Ada".to_owned());
        assert!(!format!("{personal:?}").contains("Ada"));
    }

    #[test]
    fn a_redacted_field_decodes() {
        let personal: Personal<String> = serde_json::from_value(json!({"$redacted": true})).unwrap();
        assert!(matches!(personal, Personal::Redacted));
    }
}
