use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use kernel::Position;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    SealingState, SealingStats,
    commit::{Saying, commit},
    keys::Keys,
    lease::Lease,
    outside::{self, Expected, fork_of},
    tip::Tip,
};
use crate::{
    LogPool, StoreError,
    audit::{
        AuditError, CheckpointNotes, SignerFolder,
        leaves::{LeafRow, Leaves, leaf_rows},
        note::{AccessMark, Checkpoint, Fork, PublicKey},
        store::{last_seal, origin},
    },
    canonical::Hash,
    epoch::{EpochRow, epochs},
};

/// How a sealer works.
#[derive(Debug, Clone)]
pub struct SealingConfig {
    /// How long an event waits for others to be sealed with. Longer: what can be changed unseen
    /// grows; shorter: more checkpoints than anybody looks at.
    pub every: Duration,
    /// So many events are sealed without waiting.
    pub enough: i64,
    /// So many are sealed at once, where more wait.
    pub most: i64,
    /// How often the head is asked for.
    pub poll: Duration,
    /// How long others stand by after the last sign of life.
    pub lease: Duration,
    /// After this, entries of the access log are sealed although there are no new events.
    pub access_every: Duration,
}

impl Default for SealingConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            enough: 4_096,
            most: 16_384,
            poll: Duration::from_millis(200),
            lease: Duration::from_secs(5),
            access_every: Duration::from_secs(60),
        }
    }
}

/// What one [`Sealing::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealingStep {
    /// Everything is sealed, or what is not may wait a little.
    Idle,
    Sealed,
    StandBy,
}

/// Seals the log. One per process, any number of processes.
pub struct Sealing {
    log: LogPool,
    folder: SignerFolder,
    file: CheckpointNotes,
    config: SealingConfig,
    stats: Arc<SealingStats>,
    lease: Lease,
    origin: Option<String>,
    keys: Option<Keys>,
    standing: Option<Standing>,
    sealed_at: Option<Instant>,
    /// Seal what there is without waiting for more.
    at_once: bool,
}

/// What is known while nobody else seals.
struct Standing {
    tip: Tip,
    epochs: Vec<EpochRow>,
    leaves: Leaves,
    expected: Expected,
}

/// The end of the log, the access log's, and the database's clock.
struct Now {
    epoch: i32,
    head: Position,
    at: DateTime<Utc>,
    access: Option<AccessMark>,
}

impl Sealing {
    #[must_use]
    pub fn new(log: LogPool, folder: SignerFolder, file: CheckpointNotes, config: SealingConfig) -> Self {
        Self {
            lease: Lease::new(config.lease),
            stats: Arc::default(),
            origin: None,
            keys: None,
            standing: None,
            sealed_at: None,
            at_once: false,
            log,
            folder,
            file,
            config,
        }
    }

    #[must_use]
    pub fn stats(&self) -> Arc<SealingStats> {
        Arc::clone(&self.stats)
    }

    /// One round: seals once, or finds that there is nothing to seal yet. Safe to kill anywhere.
    ///
    /// # Errors
    /// [`AuditError`]; the next step begins by looking where everything stands.
    pub async fn step(&mut self) -> Result<SealingStep, AuditError> {
        let result = self.round().await;
        match &result {
            Ok(SealingStep::StandBy) => self.stats.set_state(SealingState::StandBy),
            Ok(_) => self.stats.set_state(SealingState::Sealing),
            Err(error) => {
                self.standing = None;
                let waits = error.is_transient();
                self.stats.set_state(if waits { SealingState::Waiting } else { SealingState::Refused });
            }
        }
        result
    }

    /// Seals everything there is now, without waiting for more.
    ///
    /// # Errors
    /// [`AuditError`]
    pub async fn drain(&mut self) -> Result<(), AuditError> {
        self.at_once = true;
        let drained = loop {
            match self.step().await {
                Ok(SealingStep::Sealed) => {}
                Ok(SealingStep::Idle) => break Ok(()),
                Ok(SealingStep::StandBy) => tokio::time::sleep(self.config.poll).await,
                Err(error) => break Err(error),
            }
        };
        self.at_once = false;
        drained
    }

    async fn round(&mut self) -> Result<SealingStep, AuditError> {
        if self.lease.is_due() {
            let origin = match &self.origin {
                Some(origin) => origin.clone(),
                None => self.origin.insert(origin(self.log.pg()).await?).clone(),
            };
            // Before the lease: who cannot sign leaves it to others.
            self.keys = Some(Keys::load(self.log.pg(), &self.folder, &origin).await?);
        }
        if !self.lease.hold(self.log.pg()).await? {
            self.standing = None;
            return Ok(SealingStep::StandBy);
        }
        let mut now = self.look().await?;
        if self.standing.as_ref().is_none_or(|standing| standing.tip.size() > now.head) {
            now = self.stand().await?;
        }
        self.seal(now).await
    }

    async fn look(&self) -> Result<Now, AuditError> {
        let mut connection = self.log.acquire().await?;
        let row = sqlx::query!(
            r#"select h.epoch, h.position, clock_timestamp() as "at!", a.number as "number?", a.hash as "hash?"
               from log_head h
               left join lateral (select number, hash from access_log order by number desc limit 1) a on true"#
        )
        .fetch_one(&mut *connection)
        .await?;
        if row.epoch != self.log.epoch() {
            return Err(StoreError::Fenced.into());
        }
        let access = row.number.zip(row.hash).map(|(number, hash)| AccessMark {
            number: number.cast_unsigned(),
            // The table's check keeps other lengths out.
            hash: hash.try_into().unwrap_or_default(),
        });
        self.stats.progress.saw_head(row.position);
        Ok(Now { epoch: row.epoch, head: row.position, at: row.at, access })
    }

    /// Reads where the tree stands and compares it with what is known outside.
    async fn stand(&mut self) -> Result<Now, AuditError> {
        // The file first, then the seals, then the head: what is in one was in the next before,
        // also while another sealer is still at it.
        let (origin, keys) = self.ours();
        let sealed = last_seal(self.log.pg()).await?.map_or(0, |seal| seal.size.cast_unsigned());
        let known = outside::believed(&self.file, &origin, keys, sealed).await?;
        let epochs = epochs(self.log.pg()).await?;
        let mut connection = self.log.acquire().await?;
        let mut tip = Tip::load(&mut connection).await?;
        let now = self.look().await?;
        if tip.number == 0 {
            tip.epoch = epochs.first().map_or(now.epoch, |row| row.epoch);
        }
        if tip.size() > now.head {
            let (size, epoch) = (tip.tree.size(), tip.epoch);
            return Err(AuditError::Shortened { size, epoch, head: now.head });
        }
        let place = (epochs.as_slice(), now.epoch, now.head.cast_unsigned());
        let expected = outside::compare(&mut connection, &self.file, &tip, known, place).await?;
        self.stats.progress.reached(tip.size());
        let leaves = Leaves::new(&epochs);
        self.standing = Some(Standing { tip, epochs, leaves, expected });
        Ok(now)
    }

    fn ours(&self) -> (String, &[PublicKey]) {
        let keys = self.keys.as_ref().map_or(&[][..], |keys| keys.all.as_slice());
        (self.origin.clone().unwrap_or_default(), keys)
    }

    async fn seal(&mut self, now: Now) -> Result<SealingStep, AuditError> {
        let Some(Standing { tip, epochs, leaves, mut expected }) = self.standing.take() else {
            return Ok(SealingStep::Idle);
        };
        // An epoch that is over is sealed up to its end, then the next one begins there.
        let begins = epochs.iter().find(|row| row.epoch > tip.epoch).filter(|row| row.epoch <= now.epoch);
        let end = begins.map_or(now.head, |next| next.first_position - 1);
        let fork = begins.filter(|next| next.first_position - 1 == tip.size()).map(|next| next.epoch);
        let waiting = end - tip.size();
        if waiting < 0 {
            return Err(AuditError::Damaged(format!("seal {} goes beyond the end of its epoch", tip.number)));
        }
        let overdue = |since: Duration| self.sealed_at.is_none_or(|at| at.elapsed() >= since);
        let new_access = now.access.map(|mark| mark.number) > tip.access.map(|mark| mark.number);
        let due = fork.is_some()
            || waiting >= self.config.enough
            || (waiting > 0 && (self.at_once || begins.is_some() || overdue(self.config.every)))
            || (new_access && (self.at_once || overdue(self.config.access_every)));
        if !due {
            self.standing = Some(Standing { tip, epochs, leaves, expected });
            return Ok(SealingStep::Idle);
        }
        // Never past a size whose root is known outside.
        let next_known = expected.keys().filter(|size| **size > tip.tree.size()).min().copied();
        let upto = (tip.size() + self.config.most).min(end);
        let upto = next_known.map_or(upto, |known| upto.min(known.cast_signed()));
        let epoch = fork.unwrap_or(tip.epoch);
        let origin = self.origin.clone().unwrap_or_default();
        let fork = match fork {
            Some(_) => Some(self.fork(&epochs, tip.epoch, tip.tree.size()).await?),
            None => None,
        };
        let rows = leaf_rows(self.log.pg(), tip.size(), upto).await?;
        without_hole(&rows, tip.size(), upto)?;
        let oldest = rows.first().map(|row| row.recorded_at);
        let hashing = tokio::task::spawn_blocking(move || hashed(tip, leaves, &rows)).await;
        let (mut tip, leaves, full, new) =
            hashing.map_err(|_| StoreError::Internal("hashing leaves failed".to_owned()))??;
        if let Some(root) = expected.remove(&tip.tree.size()) {
            let known = Checkpoint {
                origin: origin.clone(),
                size: tip.tree.size(),
                root,
                epoch,
                sealed_at: now.at,
                access: None,
                fork: None,
            };
            outside::same(&known, tip.tree.root())?;
        }
        let Some(keys) = &self.keys else { return Ok(SealingStep::Idle) };
        let saying = Saying { origin, epoch, now: now.at, access: now.access, fork };
        let Some(note) = commit(&self.log, keys, &tip, new, &full, saying).await? else {
            // Another one sealed: look again where everything stands.
            return Ok(SealingStep::StandBy);
        };
        // Should this fail, the next step finds it missing there.
        outside::append(&self.file, vec![note]).await?;
        tip.number += 1;
        tip.epoch = epoch;
        tip.access = now.access;
        self.stats.progress.reached(tip.size());
        self.stats.seals.fetch_add(1, Ordering::Relaxed);
        if let Some(oldest) = oldest {
            let lag = (now.at - oldest).num_microseconds().unwrap_or(i64::MAX);
            self.stats.lag_micros.store(lag.max(0), Ordering::Relaxed);
        }
        self.sealed_at = Some(Instant::now());
        self.standing = Some(Standing { tip, epochs, leaves, expected });
        Ok(SealingStep::Sealed)
    }

    /// What the first checkpoint of an epoch says about the one before.
    async fn fork(&self, epochs: &[EpochRow], from: i32, position: u64) -> Result<Fork, AuditError> {
        let (origin, keys) = self.ours();
        let known = outside::believed(&self.file, &origin, keys, position).await?;
        let signed =
            known.iter().filter(|(outside, _)| outside.epoch == from).map(|(outside, _)| outside.size);
        let signed_up_to = signed.max().unwrap_or(position).max(position);
        debug_assert_eq!(fork_of(epochs, from), Some(position));
        Ok(Fork { from, position, signed_up_to })
    }

    /// Steps until stopped. An error is waited out; what is refused is looked at again every few
    /// seconds, so that a repair needs no restart.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut told = SealingState::Starting;
        loop {
            let result = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                result = self.step() => result,
            };
            let wait = match &result {
                Ok(SealingStep::Sealed) => Duration::ZERO,
                Ok(SealingStep::Idle) => self.config.poll,
                Ok(SealingStep::StandBy) => self.config.lease / 3,
                Err(error) if error.is_transient() => Duration::from_millis(500),
                Err(_) => Duration::from_secs(5),
            };
            let state = self.stats.state();
            if let (Err(error), true) = (&result, state != told) {
                match state {
                    SealingState::Waiting => tracing::warn!(%error, "the sealer waits"),
                    _ => tracing::error!(%error, "the sealer stopped sealing"),
                }
            }
            told = state;
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.stats.set_state(SealingState::Stopped);
        // Only a courtesy: without it others wait for the lease's end.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.lease.release(self.log.pg())).await;
    }
}

fn without_hole(rows: &[LeafRow], after: Position, upto: Position) -> Result<(), StoreError> {
    let hole = rows.iter().zip(after + 1..).find(|(row, at)| row.position != *at).map(|(_, at)| at);
    let short = (rows.len() as i64) < upto - after;
    match hole.or_else(|| short.then(|| after + 1 + rows.len() as i64)) {
        Some(at) => Err(StoreError::Internal(format!("the log has a hole at position {at}"))),
        None => Ok(()),
    }
}

type Hashed = (Tip, Leaves, Vec<super::tip::FullTile>, usize);

fn hashed(mut tip: Tip, mut leaves: Leaves, rows: &[LeafRow]) -> Result<Hashed, StoreError> {
    let hashes: Vec<Hash> = rows
        .iter()
        .map(|row| {
            let named =
                |what| StoreError::Internal(format!("the event at position {} has {what}", row.position));
            leaves.hash(row).map_err(named)
        })
        .collect::<Result<_, _>>()?;
    let full = tip.extend(&hashes);
    Ok((tip, leaves, full, hashes.len()))
}
