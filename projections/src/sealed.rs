use std::fmt;

use kernel::{Envelope, Name, Personal, Undecodable};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};

/// A personal field in a row, written as the log has it. The type has no place for a value, so
/// no read model can hold one in clear text.
#[derive(Clone, PartialEq, Eq)]
pub enum Sealed {
    Envelope(Box<Envelope>),
    /// Removed from the log by redaction.
    Redacted,
}

/// How payloads are decoded: a value, should there be one, is skipped and never allocated.
pub(crate) type PersonalField = Personal<IgnoredAny>;

impl Sealed {
    /// Keeps the envelope only.
    ///
    /// # Errors
    /// [`Undecodable`] for a value without an envelope: the store seals before it writes, so
    /// this event did not come out of the log.
    pub(crate) fn keep(
        field: &PersonalField,
        event_type: &Name,
        pointer: &'static str,
    ) -> Result<Self, Undecodable> {
        match (field, field.envelope()) {
            (_, Some(envelope)) => Ok(Self::Envelope(Box::new(envelope.clone()))),
            (Personal::Redacted, None) => Ok(Self::Redacted),
            (_, None) => Err(Undecodable::new(format!("{event_type}: {pointer} is personal and not sealed"))),
        }
    }

    #[must_use]
    pub const fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::Envelope(envelope) => Some(envelope),
            Self::Redacted => None,
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envelope(envelope) => envelope.fmt(f),
            Self::Redacted => f.write_str("Redacted"),
        }
    }
}

#[derive(Serialize)]
enum Wire<'a> {
    #[serde(rename = "$sealed")]
    Sealed(&'a Envelope),
    #[serde(rename = "$redacted")]
    Redacted(bool),
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Envelope(envelope) => Wire::Sealed(envelope),
            Self::Redacted => Wire::Redacted(true),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match PersonalField::deserialize(deserializer)? {
            Personal::Sealed(envelope) => Ok(Self::Envelope(envelope)),
            Personal::Redacted => Ok(Self::Redacted),
            _ => Err(serde::de::Error::custom("a row holds sealed fields only")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const NAME: Name = Name::constant("AccountRegistered");

    fn envelope() -> serde_json::Value {
        json!({"class": "identity", "subject": Uuid::nil(), "key": Uuid::nil(), "event": Uuid::nil(),
               "field": "/title", "nonce": "AA==", "box": "AA=="})
    }

    fn keep(field: serde_json::Value) -> Result<Sealed, Undecodable> {
        Sealed::keep(&serde_json::from_value(field).unwrap(), &NAME, "/title")
    }

    #[test]
    fn a_row_keeps_the_envelope_and_nothing_of_the_value() {
        let sealed = json!({"$sealed": envelope()});
        let opened = json!({"$opened": {"value": "CANARY", "sealed": envelope()}});
        for field in [sealed.clone(), opened, json!({"$erased": envelope()})] {
            assert_eq!(serde_json::to_value(keep(field).unwrap()).unwrap(), sealed);
        }
        assert_eq!(keep(json!({"$redacted": true})).unwrap(), Sealed::Redacted);
    }

    #[test]
    fn a_value_without_an_envelope_is_undecodable_and_not_quoted() {
        let fresh = json!({"$personal": {"class": "identity", "subject": Uuid::nil(), "value": "CANARY"}});
        let error = keep(fresh.clone()).unwrap_err();
        assert!(!error.to_string().contains("CANARY"));
        assert!(serde_json::from_value::<Sealed>(fresh).is_err());
        assert!(serde_json::from_value::<Sealed>(json!("CANARY")).is_err());
    }

    #[test]
    fn both_forms_survive_the_round_trip() {
        for wire in [json!({"$sealed": envelope()}), json!({"$redacted": true})] {
            let sealed: Sealed = serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(serde_json::to_value(&sealed).unwrap(), wire);
        }
    }
}
