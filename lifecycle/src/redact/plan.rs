use std::collections::BTreeSet;

use commands::past::state_of;
use domain::platform::person::person_id;
use eventstore::{
    keys::{KeyStore, Standing},
    log,
    redaction::{RedactError, event_at, without},
    subscription::Registry,
};
use kernel::{Actor, Position, RecordedEvent};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use sqlx::PgPool;
use uuid::Uuid;

use crate::LifecycleError;

/// What redacting a field would do. Names no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub event_id: Uuid,
    pub position: Position,
    pub event_type: String,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub pointer: String,
    /// It was begun before; the same call goes on.
    pub begun: bool,
    /// Read models that are built anew.
    pub read_models: Vec<&'static str>,
    /// Somebody's data are under a legal hold, and the event is about or by them.
    pub held: bool,
    /// What is taken out.
    #[serde(skip)]
    pub(super) value: Option<Value>,
}

/// Looks only.
///
/// # Errors
/// [`LifecycleError::Refused`] where the field may not be taken out.
pub async fn plan(
    pool: &PgPool,
    keys: &dyn KeyStore,
    registry: &Registry,
    position: Position,
    pointer: &str,
) -> Result<Plan, LifecycleError> {
    let refused = |why: &dyn std::fmt::Display| LifecycleError::Refused(why.to_string());
    let event = event_at(pool, position).await?;
    let event = event.ok_or_else(|| refused(&format!("the log has no event at position {position}")))?;
    let payload: Value = serde_json::from_str(event.payload.get())
        .map_err(|_| LifecycleError::Other("a payload is no JSON".to_owned()))?;
    let begun = sqlx::query_scalar!(
        r#"select exists (select from redactions where event_id = $1 and pointer = $2) as "begun!""#,
        event.event_id,
        pointer
    )
    .fetch_one(pool)
    .await?;
    let value = match without(&payload, pointer) {
        Ok((left, value)) => {
            readable(&event, &left).map_err(|why| refused(&why))?;
            Some(value)
        }
        Err(RedactError::Already) => None,
        Err(error) => return Err(refused(&error)),
    };
    let held = value.is_some() && held_by(pool, keys, &event).await?;
    Ok(Plan {
        event_id: event.event_id,
        position,
        event_type: event.event_type.to_string(),
        aggregate_type: event.aggregate_type.to_string(),
        aggregate_id: event.aggregate_id,
        pointer: pointer.to_owned(),
        begun,
        read_models: registry.taking(event.event_type.as_str()),
        held,
        value,
    })
}

/// An event that nobody can read any more would stop everything that comes after it: only what every
/// reader can do without may go.
fn readable(event: &RecordedEvent, left: &Value) -> Result<(), String> {
    let payload =
        RawValue::from_string(left.to_string()).map_err(|_| "what is left is no JSON".to_owned())?;
    let redacted = RecordedEvent { payload, ..event.clone() };
    match state_of(event.aggregate_type.as_str(), &[redacted]) {
        Some(Ok(_)) => Ok(()),
        Some(Err(_)) => {
            Err("no reader could do without this field: it is not one that can be redacted".to_owned())
        }
        None => Err("no program here knows events of this kind, so nobody knows which fields they can miss"
            .to_owned()),
    }
}

/// Whether a legal hold forbids it: on whoever did what the event says, and on everybody it names.
///
/// # Errors
/// [`LifecycleError`] when a store cannot be asked.
pub async fn held_by(
    pool: &PgPool,
    keys: &dyn KeyStore,
    event: &RecordedEvent,
) -> Result<bool, LifecycleError> {
    let mut persons = BTreeSet::from([event.aggregate_id]);
    let metadata = event.metadata().map_err(|error| LifecycleError::Other(error.to_string()))?;
    if let Actor::Account(account) = metadata.actor {
        persons.insert(account);
    }
    let payload: Value = serde_json::from_str(event.payload.get()).unwrap_or_default();
    ids(&payload, &mut persons);
    for person in persons {
        let standing = keys.standing(person).await?;
        // The log before the key store: a hold is valid from its event on.
        if standing.contains(&Standing::Sealed) || hold_placed(pool, person).await? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ids(value: &Value, found: &mut BTreeSet<Uuid>) {
    match value {
        Value::String(text) => found.extend(text.parse::<Uuid>().ok()),
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| ids(field, found)),
        _ => {}
    }
}

/// What the log says of a hold on a person; `None` when there never was one.
pub(crate) async fn hold_placed(pool: &PgPool, account: Uuid) -> Result<Option<bool>, LifecycleError> {
    let events = log::load_stream(pool, person_id(account), 0).await?.events;
    Ok(events.iter().rev().find_map(|event| match event.event_type.as_str() {
        "HoldPlaced" => Some(true),
        "HoldReleased" => Some(false),
        _ => None,
    }))
}
