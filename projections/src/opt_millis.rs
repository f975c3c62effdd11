//! Like `millis`, or null.

use chrono::{DateTime, Utc};
use serde::Serializer;

use crate::millis;

// The signature is serde's.
#[allow(clippy::ref_option)]
pub fn serialize<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => millis::serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}
