use std::fmt;

use kernel::Position;
use sqlx::PgPool;
use uuid::Uuid;

use super::status;
use crate::{
    StoreError,
    stream::{StreamClient, StreamError},
};

/// How far below a place without message (redacted) another one is looked for.
const LOOK_BELOW: i64 = 256;

/// Positions that were given out in an epoch and are not in this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    pub epoch: i32,
    pub from: Position,
    pub to: Position,
}

impl Lost {
    #[must_use]
    pub const fn count(&self) -> i64 {
        self.to - self.from + 1
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, from, to } = self;
        match self.count() {
            1 => write!(f, "1 event at position {from} of epoch {epoch}"),
            count => write!(f, "{count} events at positions {from} to {to} of epoch {epoch}"),
        }
    }
}

/// How the epoch's stream stands to this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTail {
    pub stream: String,
    pub first: Position,
    pub last: Position,
    /// The last position at which stream and log hold the same event; `None` when they share none
    /// that could be compared.
    pub common: Option<Position>,
    /// What the stream holds and the log does not.
    pub lost: Option<Lost>,
}

/// What is known outside the database about the log's last events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Compared while the log's head was at `head`.
    Stream { head: Position, tail: StreamTail },
    /// NATS has no stream of this epoch.
    NoStream,
    /// It could not be asked; why. What it holds is unknown.
    Unknown(String),
}

impl Evidence {
    #[must_use]
    pub fn lost(&self) -> Option<Lost> {
        match self {
            Self::Stream { tail, .. } => tail.lost,
            _ => None,
        }
    }
}

/// Asks the stream of the log's present epoch what it holds that this log does not. `client` must
/// have been made for that epoch. Works on a server where connections are refused.
///
/// # Errors
/// [`StreamError`] when one of the two cannot be asked.
pub async fn evidence(pool: &PgPool, client: &StreamClient) -> Result<Evidence, StreamError> {
    let state = match client.state().await {
        Ok(state) => state,
        Err(StreamError::Missing { .. }) => return Ok(Evidence::NoStream),
        Err(error) => return Err(error),
    };
    // After the stream's state: what is in the stream was in its log before.
    let log = status(pool).await?;
    let (first, last) = (state.first, state.last);
    let probe = Probe { pool, client, first };
    let common = probe.last_common(last.min(log.position)).await?;
    let empty = state.messages == 0;
    let lost = match common {
        // Nothing to compare and nothing beyond: an empty or brand-new stream.
        _ if empty && last <= log.position => None,
        Some(common) if common >= last => None,
        Some(common) => Some(Lost { epoch: log.epoch, from: common + 1, to: last }),
        None => Some(Lost { epoch: log.epoch, from: first.min(log.position + 1), to: last }),
    };
    let tail = StreamTail { stream: client.name().to_owned(), first, last, common, lost };
    Ok(Evidence::Stream { head: log.position, tail })
}

struct Probe<'a> {
    pool: &'a PgPool,
    client: &'a StreamClient,
    first: Position,
}

impl Probe<'_> {
    /// Below a fork everything is equal, from it on everything differs: so it can be bisected.
    async fn last_common(&self, upto: Position) -> Result<Option<Position>, StreamError> {
        if upto < self.first {
            return Ok(None);
        }
        if self.is_same(upto).await? {
            return Ok(Some(upto));
        }
        if !self.is_same(self.first).await? {
            return Ok(None);
        }
        let (mut same, mut differs) = (self.first, upto);
        while differs - same > 1 {
            let middle = same + (differs - same) / 2;
            if self.is_same(middle).await? { same = middle } else { differs = middle }
        }
        Ok(Some(same))
    }

    /// Compares at a position, or below it where its message was redacted.
    async fn is_same(&self, position: Position) -> Result<bool, StreamError> {
        let lowest = self.first.max(position - LOOK_BELOW);
        let mut at = position;
        while at >= lowest {
            if let Some(message) = self.client.message_at(at).await? {
                return Ok(message.event_id.is_some() && message.event_id == event_id(self.pool, at).await?);
            }
            at -= 1;
        }
        Ok(false)
    }
}

async fn event_id(pool: &PgPool, position: Position) -> Result<Option<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!("select event_id from events where position = $1", position)
        .fetch_optional(pool)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_range_is_named_as_people_say_it() {
        assert_eq!(Lost { epoch: 1, from: 5, to: 5 }.to_string(), "1 event at position 5 of epoch 1");
        let range = Lost { epoch: 2, from: 11, to: 15 };
        assert_eq!(range.to_string(), "5 events at positions 11 to 15 of epoch 2");
    }
}
