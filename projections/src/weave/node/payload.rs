use std::fmt;

use domain::weave::values::{Change, SearchVisibility};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use uuid::Uuid;

use crate::weave::LatLon;

/// A public field or the mark of its redaction. Says the same as `kernel::Plain` and decodes in
/// one pass: `Plain` has to buffer a value before it knows which of the two it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Field<T> {
    Known(T),
    Redacted,
}

#[derive(Deserialize)]
pub struct Tied {
    pub title: Field<String>,
    pub kind: Field<String>,
    pub address: Field<String>,
    pub location: Field<LatLon>,
    #[serde(default)]
    pub summary: Option<Field<String>>,
    #[serde(default)]
    pub info: Option<Field<String>>,
    #[serde(default = "no_tags")]
    pub tags: Field<Vec<String>>,
    pub search_visibility: SearchVisibility,
    pub created_by: Uuid,
    pub conversation_id: Uuid,
}

const fn no_tags() -> Field<Vec<String>> {
    Field::Known(Vec::new())
}

#[derive(Deserialize)]
pub struct Revised {
    #[serde(default)]
    pub title: Option<Field<String>>,
    #[serde(default)]
    pub kind: Option<Field<String>>,
    #[serde(default)]
    pub address: Option<Field<String>>,
    #[serde(default)]
    pub location: Option<Field<LatLon>>,
    #[serde(default)]
    pub summary: Change<Field<String>>,
    #[serde(default)]
    pub info: Change<Field<String>>,
    #[serde(default)]
    pub tags: Option<Field<Vec<String>>>,
}

#[derive(Deserialize)]
pub struct VisibilityChanged {
    pub to: SearchVisibility,
}

#[derive(Deserialize)]
pub struct Removed {
    pub last_title: Field<String>,
}

/// Any public value of a node's payload.
enum Value {
    Text(String),
    Point(LatLon),
    Texts(Vec<String>),
    Redacted,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a list of texts, a point or a redaction")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(text))
            }

            /// A single redacted item is left out: the others are still true.
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(item) = items.next_element::<Field<String>>()? {
                    if let Field::Known(text) = item {
                        texts.push(text);
                    }
                }
                Ok(Value::Texts(texts))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
                let (mut lat, mut lon, mut redacted) = (None, None, false);
                while let Some(key) = members.next_key::<Key>()? {
                    match key {
                        Key::Lat => lat = Some(members.next_value()?),
                        Key::Lon => lon = Some(members.next_value()?),
                        Key::Redacted => redacted = members.next_value()?,
                        Key::Other => {
                            members.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                match (lat, lon, redacted) {
                    (Some(lat), Some(lon), false) => Ok(Value::Point(LatLon { lat, lon })),
                    (None, None, true) => Ok(Value::Redacted),
                    _ => Err(A::Error::custom("neither a point nor a redaction")),
                }
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Lat,
    Lon,
    #[serde(rename = "$redacted")]
    Redacted,
    #[serde(other)]
    Other,
}

macro_rules! field_of {
    ($($type:ty = $variant:ident),+) => {$(
        impl<'de> Deserialize<'de> for Field<$type> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match Value::deserialize(deserializer)? {
                    Value::$variant(value) => Ok(Self::Known(value)),
                    Value::Redacted => Ok(Self::Redacted),
                    _ => Err(D::Error::custom("a value of another type")),
                }
            }
        }
    )+};
}

field_of!(String = Text, LatLon = Point, Vec<String> = Texts);
