use std::time::Duration;

use kernel::Position;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Refusal, Relay, RelayError, RelayState, RelayStats, window::Window};
use crate::{
    StoreError, log,
    stream::{Ensured, MessageId, StreamError, StreamState, verify},
};

/// After a start or a doubt at most so many of the newest messages are compared one by one; it
/// takes a fraction of a second. Far more than a window and what passes between two cursor writes.
const COMPARED: i64 = 20_000;

impl Relay {
    /// Finds out where the stream stands and goes on from there. This is the only place that
    /// decides what was published: it rests on the stream's messages compared with the log, not on
    /// the cursor, not on what this relay believes it has sent, not on remembered ids.
    pub(super) async fn sync(&mut self) -> Result<(), RelayError> {
        RelayStats::add(&self.stats.syncs, 1);
        // Answers to what was sent before are no longer ours.
        self.generation += 1;
        if !self.client.is_connected() {
            return Err(StreamError::Unreachable("not connected".to_owned()).into());
        }
        let first = self.epoch_start().await?;
        if !self.checked {
            self.ensure(first).await?;
        }
        let state = match self.client.state().await {
            Err(StreamError::Missing { .. }) => {
                self.ensure(first).await?;
                self.client.state().await?
            }
            other => other?,
        };
        let last = self.last_common(&state, first).await?;
        let (confirmed, sent) = (self.window.confirmed(), self.window.sent());
        if last < confirmed {
            RelayStats::add(&self.stats.rolled_back, 1);
            tracing::warn!(from = confirmed, to = last, "the stream fell behind; publishing it again");
        }
        RelayStats::add(&self.stats.resent, (sent - last.max(confirmed)).max(0).unsigned_abs());
        if last > confirmed && confirmed > 0 {
            // In the stream, whoever brought it there.
            RelayStats::add(&self.stats.published, (last.min(sent) - confirmed).max(0).unsigned_abs());
        }
        // Refused again and again at the same place: somebody else is faster, or a server is odd.
        self.barren = if last == self.synced_at { self.barren + 1 } else { 0 };
        if self.barren > 2 {
            tokio::time::sleep(Duration::from_millis(5 << self.barren.min(7))).await;
        }
        if last > self.synced_at {
            // It takes something again, whoever brought it there.
            self.stats.set_refusal(None);
        }
        self.synced_at = last;
        self.window = Window::at(last);
        self.source.rewind(last);
        self.stats.progress.reached(last);
        if self.barren >= 2 && sent > last && self.stats.refusal().is_none() {
            self.stats.set_refusal(Some(Refusal::Silent));
        }
        if let Some(refusal) = self.stats.refusal() {
            // Again, if the database was away the last time: what is noted is not written twice.
            self.cursor.note_problem(refusal.sentence()).await?;
        }
        // That it can be asked does not mean that it takes anything.
        self.stats.set_state(match self.stats.refusal() {
            None => RelayState::Publishing,
            Some(_) => RelayState::Refused,
        });
        self.trouble = None;
        self.synced = true;
        Ok(())
    }

    async fn ensure(&mut self, first: Position) -> Result<(), RelayError> {
        let start = match self.client.config().refill {
            None => first,
            Some(newest) => {
                let head = log::head(self.log.pg()).await?.position;
                first.max(head + 1 - newest.max(0))
            }
        };
        match self.client.ensure(start).await? {
            Ensured::AsItShould => {}
            Ensured::Updated(fields) => tracing::info!(?fields, "the stream's configuration was changed"),
            Ensured::Created => {
                RelayStats::add(&self.stats.created, 1);
                tracing::warn!(stream = self.client.name(), start, "the stream was missing and is made");
            }
        }
        self.checked = true;
        Ok(())
    }

    /// The stream's last sequence, once it is shown that its end is the log's.
    async fn last_common(&mut self, state: &StreamState, first: Position) -> Result<Position, RelayError> {
        let newest = match self.client.message_at(state.last).await? {
            Some(message) => Some(message),
            // Redacted, purged, expired: what is the newest one left?
            None => self.client.last_message().await?,
        };
        let last = newest.map_or(state.last, |newest| newest.sequence.max(state.last));
        // After the stream: what is in the stream was in the log before.
        let head = log::head(self.log.pg()).await?;
        let ours = self.client.config().epoch;
        if head.epoch != ours {
            return Err(StreamError::EpochOver { ours, newer: head.epoch }.into());
        }
        self.source.heard_of(head.position);
        self.stats.progress.saw_head(self.source.head());
        if last > head.position {
            return Err(RelayError::Fork { position: head.position + 1, why: "the stream goes further" });
        }
        match newest {
            Some(newest) => {
                self.compare(newest).await?;
                self.compare_unconfirmed(last).await?;
            }
            // Empty. Nothing contradicts the log, and sequences go on where they were.
            None if last >= first - 1 => {}
            None => {
                return Err(RelayError::Fork { position: first, why: "the stream begins too early" });
            }
        }
        Ok(last)
    }

    /// Compares what lies between the last position this relay knows to be right and the stream's
    /// last. Looking at the last alone is not enough: with many publishes on their way a foreign
    /// message takes the place of one of them, that one is refused, and the next ones fit again.
    async fn compare_unconfirmed(&self, last: Position) -> Result<(), RelayError> {
        // The cursor stands in until this relay has seen the stream itself; a stream that was rolled
        // back and filled again is below the cursor and still new.
        let known = if self.synced_at < 0 { self.cursor.saved() } else { self.window.confirmed() };
        let from = (known + 1).max(last - COMPARED + 1);
        // Equal to `last` there is nothing but the one message that was just compared.
        if from >= last {
            return Ok(());
        }
        let report = verify(&self.log, &self.client, from..=last).await?;
        match report.first_other {
            None => Ok(()),
            Some(other) => Err(RelayError::Fork { position: other.position(), why: "another message" }),
        }
    }

    async fn compare(&self, message: MessageId) -> Result<(), RelayError> {
        let position = message.sequence;
        let fork = |why| Err(RelayError::Fork { position, why });
        let Some(event_id) = event_id_at(self.log.pg(), position).await? else {
            return fork("the log has no such event");
        };
        if message.event_id.is_none() || message.position.is_none() {
            return fork("a message that is not ours");
        }
        if message.event_id != Some(event_id) || message.position != Some(position) {
            return fork("another event");
        }
        Ok(())
    }
}

async fn event_id_at(db: impl PgExecutor<'_>, position: Position) -> Result<Option<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!("select event_id from events where position = $1", position)
        .fetch_optional(db)
        .await?)
}
