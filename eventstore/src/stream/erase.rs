use async_nats::jetstream::stream::{DeleteMessageErrorKind, RawMessageErrorKind};
use kernel::Position;
use uuid::Uuid;

use super::{MessageId, StreamClient, StreamError, config::name_of};

impl StreamClient {
    /// Deletes the message of an event from the stream of every epoch that holds it, and has its bytes
    /// overwritten. Another event at that sequence (of an epoch that was given up) stays. Readers find
    /// a hole and get from Postgres what is there now. Returns the names of the streams.
    ///
    /// Needs the rights of the NATS user `redactor`.
    ///
    /// # Errors
    /// [`StreamError`]; the same call again goes on.
    pub async fn erase(&self, position: Position, event_id: Uuid) -> Result<Vec<String>, StreamError> {
        let Ok(sequence) = u64::try_from(position) else { return Ok(Vec::new()) };
        let mut erased = Vec::new();
        for epoch in 1..=self.config().epoch {
            let name = name_of(epoch);
            let stream = self
                .jetstream()
                .get_stream_no_info(&name)
                .await
                .map_err(|error| StreamError::Unreachable(error.to_string()))?;
            match self.state_of(&name).await {
                Err(StreamError::Missing { .. }) => continue,
                other => other?,
            };
            let message = match stream.get_raw_message(sequence).await {
                Ok(message) => MessageId::of(position, &message.headers),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => continue,
                Err(error) => return Err(StreamError::Unreachable(error.kind().to_string())),
            };
            if message.event_id != Some(event_id) {
                continue;
            }
            // Overwrites what it deletes, unless it is told not to.
            match stream.delete_message(sequence).await {
                Ok(_) => erased.push(name),
                Err(error) => {
                    return Err(match error.kind() {
                        DeleteMessageErrorKind::TimedOut => StreamError::Timeout { what: "delete a message" },
                        _ => StreamError::Unreachable(format!("{name}: the message cannot be deleted")),
                    });
                }
            }
        }
        Ok(erased)
    }
}
