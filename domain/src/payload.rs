//! The stored form of events, written once for all aggregates.

/// Makes an aggregate's event enum out of its payload structs: each variant is one stored type
/// with its current schema version, `Payload::TYPE` and `Payload::VERSION` are the constants
/// projections match on, and decoding goes from the text straight into the struct.
///
/// A new schema version raises the number here; the older ones then need upcasters in
/// `from_payload`, forever, and keep their golden fixtures.
macro_rules! events {
    ($(#[$doc:meta])* $name:ident { $($variant:ident($payload:ident, $holder:ty) = $stored:literal v $version:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($variant($holder)),+
        }

        $(
            impl $payload {
                /// As stored; independent of the Rust name.
                pub const TYPE: &'static str = $stored;
                /// The schema version this code writes.
                pub const VERSION: i32 = $version;
            }

            impl From<$payload> for $name {
                fn from(payload: $payload) -> Self {
                    Self::$variant(payload.into())
                }
            }
        )+

        impl $crate::EventPayload for $name {
            const TYPES: &'static [(&'static str, i32)] = &[$(($stored, $version)),+];

            fn event_type(&self) -> kernel::Name {
                match self {
                    $(Self::$variant(_) => const { kernel::Name::constant($stored) }),+
                }
            }

            fn schema_version(&self) -> i32 {
                match self {
                    $(Self::$variant(_) => $version),+
                }
            }

            fn to_payload(&self) -> serde_json::Value {
                match self {
                    $(Self::$variant(payload) => $crate::payload::to_value(payload)),+
                }
            }

            fn from_payload(
                event_type: &str,
                schema_version: i32,
                payload: &str,
            ) -> Result<Self, kernel::Undecodable> {
                match (event_type, schema_version) {
                    $(($stored, $version) => $crate::payload::from_str($stored, payload).map(Self::$variant)),+,
                    _ => Err($crate::payload::unknown(event_type, schema_version)),
                }
            }
        }
    };
}

pub(crate) use events;
use kernel::{Name, Undecodable};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) fn to_value<T: Serialize>(payload: &T) -> Value {
    // Cannot fail: payloads are structs of texts, numbers and lists, without maps whose keys
    // could be anything but strings; a test encodes every type of the catalogue.
    #[allow(clippy::expect_used)]
    serde_json::to_value(payload).expect("a payload is plain data")
}

pub(crate) fn from_str<T: DeserializeOwned>(
    event_type: &'static str,
    payload: &str,
) -> Result<T, Undecodable> {
    serde_json::from_str(payload).map_err(|error| match Name::parse(event_type) {
        Ok(name) => Undecodable::from_json(&name, &error),
        Err(_) => Undecodable::new("a field has another shape than expected"),
    })
}

pub(crate) fn unknown(event_type: &str, schema_version: i32) -> Undecodable {
    // The type comes from the log's restricted alphabet, so it may be quoted.
    Undecodable::new(format!("{event_type}: this code cannot read schema version {schema_version} of it"))
}
