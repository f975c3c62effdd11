use std::sync::Arc;

use chrono::{DateTime, Utc};
use kernel::{Actor, AggregateRef, Clock, Metadata, Name, NewEvent, Position, RecordedEvent, platform};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{CheckpointFile, CheckpointLine, EpochRow, epochs, status};
use crate::{
    LogPool, StoreError,
    append::{Append, Appender, AppenderConfig, EventToStore, Outcome, Write},
    log,
};

/// Aggregate type of the platform's own events.
const PLATFORM: Name = Name::constant("platform");
const EPOCH_ADVANCED: Name = Name::constant(platform::EPOCH_ADVANCED);
const SCHEMA_VERSION: i32 = 1;
/// Races lost against another operator who announces the same.
const ATTEMPTS: usize = 3;

/// The one stream that holds the platform's own events.
#[must_use]
pub fn platform_stream() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, b"urn:weltgewebe:platform")
}

/// Where the announcement of the present epoch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    pub epoch: i32,
    pub event_position: Position,
    /// False when the log, or the file, had it already.
    pub event_written: bool,
    pub line_written: bool,
}

/// Puts the present epoch's beginning into the log (`EpochAdvanced`) and into the checkpoint file.
/// Idempotent: what an interrupted advance left out is made up for by calling it again. `None` in
/// the first epoch, which began without a decision.
///
/// # Errors
/// [`StoreError`] when the log cannot be written, or the file ([`StoreError::Internal`]).
pub async fn announce(
    log: &LogPool,
    file: &CheckpointFile,
    clock: &dyn Clock,
) -> Result<Option<Announced>, StoreError> {
    let epoch = log.epoch();
    let history = epochs(log.pg()).await?;
    let begun = history.iter().find(|row| row.epoch == epoch);
    let (Some(begun), true) = (begun, epoch > 1) else { return Ok(None) };
    let (event, event_written) = append_event(log, begun, clock).await?;
    let server = status(log.pg()).await?.this_server;
    let line = CheckpointLine {
        kind: "epoch-advanced".to_owned(),
        from: epoch - 1,
        to: epoch,
        position: begun.first_position - 1,
        reason: begun.reason.clone(),
        started_at: begun.started_at,
        system_identifier: server.system_identifier.cast_unsigned().to_string(),
        timeline: server.timeline,
        event_id: event.event_id,
        event_position: event.position,
    };
    let line_written = file.append(line).await.map_err(|error| {
        StoreError::Internal(format!(
            "the checkpoint file {} cannot be written: {error}",
            file.path().display()
        ))
    })?;
    Ok(Some(Announced { epoch, event_position: event.position, event_written, line_written }))
}

struct Found {
    event_id: Uuid,
    position: Position,
}

async fn append_event(
    log: &LogPool,
    begun: &EpochRow,
    clock: &dyn Clock,
) -> Result<(Found, bool), StoreError> {
    let stop = CancellationToken::new();
    let appender = Appender::start(log.clone(), AppenderConfig::default(), stop.clone());
    let _stop = stop.drop_guard();
    for _ in 0..ATTEMPTS {
        let events = log::load_stream(log.pg(), platform_stream(), 0).await?.events;
        if let Some(found) = events.iter().find(|event| announces(event, begun.epoch)) {
            return Ok((Found { event_id: found.event_id, position: found.position }, false));
        }
        let event_id = Uuid::now_v7();
        let event = prepare(event_id, begun, clock.now(), events.last())?;
        let write = Write {
            aggregate: AggregateRef::new(PLATFORM, platform_stream()),
            expected_version: events.last().map_or(0, |event| event.version),
            events: vec![event],
            external_id: None,
        };
        match appender.append(Append { writes: vec![write], ..Append::default() }).await? {
            Outcome::Committed(at) => return Ok((Found { event_id, position: at.first_position }, true)),
            // Somebody else announces it at this moment: look again.
            Outcome::Conflict { .. } => {}
            other => return Err(StoreError::Internal(format!("the epoch's event was refused: {other:?}"))),
        }
    }
    Err(StoreError::Internal("other events kept coming before the epoch's event".to_owned()))
}

fn announces(event: &RecordedEvent, epoch: i32) -> bool {
    #[derive(serde::Deserialize)]
    struct Payload {
        to: i32,
    }
    event.event_type == EPOCH_ADVANCED && event.decode::<Payload>().is_ok_and(|payload| payload.to == epoch)
}

fn prepare(
    event_id: Uuid,
    begun: &EpochRow,
    now: DateTime<Utc>,
    last: Option<&RecordedEvent>,
) -> Result<EventToStore, StoreError> {
    let internal = |error: &dyn std::fmt::Display| StoreError::Internal(format!("epoch event: {error}"));
    let last_at = last.and_then(|event| event.metadata().ok()).map(|metadata| metadata.occurred_at);
    let command_id = Uuid::now_v7();
    let metadata = Metadata {
        actor: Actor::System,
        roles: Vec::new(),
        command: "platform.advance-epoch".to_owned(),
        command_id,
        correlation_id: command_id,
        causation_id: command_id,
        // Never before the stream's last event.
        occurred_at: last_at.map_or(now, |last| last.max(now)),
        traceparent: None,
    };
    let metadata = serde_json::to_string(&metadata).map_err(|error| internal(&error))?;
    let payload = json!({
        "from": begun.epoch - 1, "to": begun.epoch, "position": begun.first_position - 1,
    });
    let event = NewEvent {
        event_id,
        event_type: EPOCH_ADVANCED,
        schema_version: SCHEMA_VERSION,
        payload,
        metadata: Arc::from(metadata),
    };
    EventToStore::prepare(event).map_err(|error| internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_stream_is_a_constant() {
        // Golden: the log refers to it for ever.
        assert_eq!(platform_stream().to_string(), "9fa71909-75d2-5c8b-bb9f-15a7e0b03427");
    }

    #[test]
    fn the_event_says_from_to_and_position_and_nothing_else() {
        let begun = EpochRow {
            epoch: 2,
            first_position: 11,
            started_at: DateTime::UNIX_EPOCH,
            reason: "disk".into(),
        };
        let event = prepare(Uuid::nil(), &begun, DateTime::UNIX_EPOCH, None).unwrap();
        assert_eq!(event.payload, r#"{"from":1,"position":10,"to":2}"#);
        assert_eq!(event.event_type.as_str(), "EpochAdvanced");
    }
}
