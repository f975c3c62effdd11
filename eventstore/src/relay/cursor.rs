use std::time::Duration;

use kernel::Position;
use tokio::time::Instant;
use uuid::Uuid;

use super::{RelayConfig, RelayError};
use crate::{LogPool, StoreError, stream::StreamError};

/// Our row in the outbox: how far the stream is, as a hint, and who publishes.
pub(super) struct Cursor {
    log: LogPool,
    destination: String,
    epoch: i32,
    owner: Uuid,
    lease: Option<Duration>,
    every: Duration,
    renew_at: Option<Instant>,
    saved: Position,
    saved_at: Instant,
    /// The problem that we wrote down.
    noted: Option<String>,
}

impl Cursor {
    pub fn new(log: LogPool, config: &RelayConfig, epoch: i32) -> Self {
        Self {
            log,
            destination: config.destination.clone(),
            epoch,
            owner: Uuid::new_v4(),
            lease: config.lease,
            every: config.cursor_every,
            renew_at: None,
            saved: 0,
            saved_at: Instant::now(),
            noted: None,
        }
    }

    /// Last position known to the outbox row.
    pub const fn saved(&self) -> Position {
        self.saved
    }

    /// Takes or renews the lease; false while another holds it. `first` is the epoch's start, for
    /// a row that is not there yet.
    pub async fn hold(&mut self, first: Position) -> Result<bool, RelayError> {
        if self.renew_at.is_some_and(|at| Instant::now() < at) {
            return Ok(true);
        }
        let Some(lease) = self.lease else { return Ok(true) };
        // Before the question: the lease runs from when the database answers, which is later.
        let asked = Instant::now();
        let held = sqlx::query_file_scalar!(
            "src/relay/sql/hold_lease.sql",
            self.destination,
            self.epoch,
            first - 1,
            self.owner,
            lease.as_secs_f64(),
        )
        .fetch_optional(self.log.pg())
        .await
        .map_err(StoreError::from)?;
        self.renew_at = held.map(|_| asked + lease / 3);
        match held {
            Some(position) => self.saved = self.saved.max(position),
            None => self.refuse_later_epoch().await?,
        }
        Ok(held.is_some())
    }

    async fn refuse_later_epoch(&self) -> Result<(), RelayError> {
        let row = sqlx::query_scalar!("select epoch from outbox where destination = $1", self.destination)
            .fetch_optional(self.log.pg())
            .await
            .map_err(StoreError::from)?;
        match row {
            Some(newer) if newer > self.epoch => {
                Err(StreamError::EpochOver { ours: self.epoch, newer }.into())
            }
            _ => Ok(()),
        }
    }

    /// Writes the cursor when it is due. It never goes back, and never crosses epochs.
    pub async fn save(&mut self, position: Position, now: bool) -> Result<(), RelayError> {
        if position <= self.saved || !(now || self.saved_at.elapsed() >= self.every) {
            return Ok(());
        }
        kernel::crash_point!("relay.before-cursor");
        let lease = self.lease.unwrap_or_default();
        let asked = Instant::now();
        sqlx::query_file!(
            "src/relay/sql/advance_cursor.sql",
            self.destination,
            self.epoch,
            position,
            self.owner,
            lease.as_secs_f64(),
        )
        .execute(self.log.pg())
        .await
        .map_err(StoreError::from)?;
        self.saved = position;
        self.saved_at = asked;
        self.noted = None;
        Ok(())
    }

    /// Why nothing is published. It goes when the cursor moves on, or the relay is done with its
    /// work.
    pub async fn note_problem(&mut self, problem: &str) -> Result<(), RelayError> {
        if self.noted.as_deref() == Some(problem) {
            return Ok(());
        }
        sqlx::query!(
            "update outbox set problem = $3 where destination = $1 and epoch = $2",
            self.destination,
            self.epoch,
            problem,
        )
        .execute(self.log.pg())
        .await
        .map_err(StoreError::from)?;
        self.noted = Some(problem.to_owned());
        Ok(())
    }

    /// Nothing is in the way any more.
    pub async fn forget_problem(&mut self) -> Result<(), RelayError> {
        if self.noted.is_none() {
            return Ok(());
        }
        sqlx::query!(
            "update outbox set problem = null where destination = $1 and epoch = $2",
            self.destination,
            self.epoch,
        )
        .execute(self.log.pg())
        .await
        .map_err(StoreError::from)?;
        self.noted = None;
        Ok(())
    }

    /// Gives the lease back so that another need not wait for its end.
    pub async fn release(&mut self) -> Result<(), RelayError> {
        self.renew_at = None;
        sqlx::query!(
            "update outbox set lease_owner = null, lease_until = null
             where destination = $1 and lease_owner = $2",
            self.destination,
            self.owner,
        )
        .execute(self.log.pg())
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}
