use std::{sync::Arc, time::Duration};

use async_nats::Subscriber;
use futures::{StreamExt, stream::ReadyChunks};
use kernel::Position;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Refusal, RelayConfig, RelayError, RelayState, RelayStats, cursor::Cursor, publish::Trouble,
    source::Source, window::Window,
};
use crate::{
    LogPool, StoreError, log,
    precedence::Pausing,
    stream::{Contexts, Encoder, StreamClient, StreamError, epoch_start},
};

/// Answers taken in at once.
const ANSWERS: usize = 1_024;
/// While something is on its way, the log is asked for news at most this often.
const BUSY_POLL: Duration = Duration::from_millis(5);

/// What one [`Relay::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Everything there is has been published and confirmed.
    Idle,
    Moved,
    /// Another relay holds the lease.
    StandBy,
}

/// Publishes the log to the stream. One per process, any number of processes.
pub struct Relay {
    pub(super) log: LogPool,
    pub(super) client: StreamClient,
    pub(super) config: RelayConfig,
    pub(super) stats: Arc<RelayStats>,
    pub(super) cursor: Cursor,
    pub(super) source: Source,
    pub(super) window: Window,
    pub(super) inbox: Option<ReadyChunks<Subscriber>>,
    /// Answers come to `<prefix><generation>.<position>`.
    pub(super) inbox_prefix: String,
    pub(super) generation: u64,
    pub(super) changes: watch::Receiver<u64>,
    wake: Option<watch::Receiver<Position>>,
    first: Option<Position>,
    pub(super) checked: bool,
    pub(super) synced: bool,
    pub(super) synced_at: Position,
    pub(super) barren: u32,
    pub(super) trouble: Option<Trouble>,
    asked_head: Instant,
    pausing: Pausing,
}

impl Relay {
    /// `wake` is [`Appender::committed`](crate::append::Appender::committed) of this process; what
    /// others append is polled for. The client's epoch must be the log's.
    #[must_use]
    pub fn new(
        log: LogPool,
        client: StreamClient,
        contexts: &Contexts,
        config: RelayConfig,
        wake: Option<watch::Receiver<Position>>,
    ) -> Self {
        let encoder = Encoder::new(client.config(), contexts);
        Self {
            cursor: Cursor::new(log.clone(), &config, client.config().epoch),
            source: Source::new(log.clone(), client.clone(), encoder, config.page),
            window: Window::at(0),
            inbox: None,
            inbox_prefix: format!("{}.", client.nats().new_inbox()),
            generation: 0,
            changes: client.changes(),
            stats: Arc::default(),
            wake,
            first: None,
            checked: false,
            synced: false,
            synced_at: -1,
            barren: 0,
            trouble: None,
            asked_head: Instant::now(),
            pausing: Pausing::default(),
            log,
            client,
            config,
        }
    }

    /// Commands of this process go first when the machine is full.
    #[must_use]
    pub fn giving_way(mut self, pausing: Pausing) -> Self {
        self.pausing = pausing;
        self
    }

    #[must_use]
    pub fn stats(&self) -> Arc<RelayStats> {
        Arc::clone(&self.stats)
    }

    /// One round: publishes what is there and fits, takes in what was answered. Waits for answers
    /// and pages on their way, never for new events. Harmless to drop half-way.
    ///
    /// # Errors
    /// [`RelayError`]; the next step begins by asking the stream where it stands.
    pub async fn step(&mut self) -> Result<Step, RelayError> {
        let result = self.round().await;
        if let Err(error) = &result {
            self.synced = false;
            if let RelayError::Stream(StreamError::Refused { code, .. }) = error
                && let Some(refusal) = Refusal::of(*code)
            {
                self.stats.set_refusal(Some(refusal));
            }
            self.stats.set_state(match error {
                RelayError::Fork { .. } => RelayState::Forked,
                _ if self.stats.refusal().is_some() => RelayState::Refused,
                error if error.is_transient() => RelayState::Waiting,
                _ => RelayState::Refused,
            });
            self.write_down(error).await;
        }
        result
    }

    /// For who looks at the database only. What is over in a moment is not worth a write.
    async fn write_down(&mut self, error: &RelayError) {
        let problem = match (error, self.stats.refusal()) {
            (RelayError::Fork { .. }, _) => error.to_string(),
            (_, Some(refusal)) => refusal.sentence().to_owned(),
            (error, None) if !error.is_transient() => error.to_string(),
            _ => return,
        };
        // Without the database there is nobody to tell, and the log line says the same.
        let _ = self.cursor.note_problem(&problem).await;
    }

    async fn round(&mut self) -> Result<Step, RelayError> {
        let first = self.epoch_start().await?;
        if !self.cursor.hold(first).await? {
            self.synced = false;
            self.stats.set_state(RelayState::StandBy);
            return Ok(Step::StandBy);
        }
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.mark_unchanged();
            self.synced = false;
        }
        self.listen().await?;
        if !self.synced {
            let mut changes = self.client.changes();
            changes.mark_unchanged();
            tokio::select! {
                synced = self.sync() => synced?,
                // Answers to questions asked before a reconnect never come.
                _ = changes.changed() => {
                    return Err(StreamError::Unreachable("the connection was lost".to_owned()).into());
                }
            }
        }
        self.look_for_more().await?;
        if !self.pausing.is_due() {
            self.source.read_ahead();
            self.publish().await?;
            self.source.read_ahead();
        } else if self.window.in_flight() == 0 {
            return Ok(Step::Moved);
        }
        if self.source.is_exhausted() && self.window.in_flight() == 0 {
            self.cursor.save(self.window.confirmed(), true).await?;
            self.cursor.forget_problem().await?;
            return Ok(Step::Idle);
        }
        self.collect().await?;
        self.cursor.save(self.window.confirmed(), false).await?;
        Ok(Step::Moved)
    }

    /// Steps until stopped. An error is waited out; a fork or a refusal is looked at again every
    /// few seconds, so that a repair needs no restart.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pause = Duration::ZERO;
        let mut poll = Duration::from_millis(1);
        let mut told = RelayState::Starting;
        let mut changes = self.client.changes();
        loop {
            let result = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                result = self.step() => result,
            };
            if matches!(result, Ok(Step::Idle)) {
                self.pausing.caught_up();
            } else if matches!(result, Ok(Step::Moved)) && self.window.in_flight() == 0 {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.give_way() => {}
                }
            }
            let wait = match result {
                Ok(Step::Moved) => {
                    (pause, poll) = (Duration::ZERO, Duration::from_millis(1));
                    continue;
                }
                Ok(Step::Idle) => {
                    pause = Duration::ZERO;
                    poll = (poll * 2).min(self.config.poll);
                    poll
                }
                Ok(Step::StandBy) => self.config.lease.unwrap_or_default() / 3,
                Err(error) if error.is_transient() => {
                    self.tell(&mut told, &error);
                    pause = (pause * 2).clamp(Duration::from_millis(10), Duration::from_millis(500));
                    pause
                }
                Err(error) => {
                    self.tell(&mut told, &error);
                    Duration::from_secs(5)
                }
            };
            if self.stats.state() == RelayState::Publishing {
                told = RelayState::Publishing;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.woken(), if pause.is_zero() => {}
                () = reconnected(&mut changes), if !pause.is_zero() => pause = Duration::ZERO,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.stats.set_state(RelayState::Stopped);
        // Only a courtesy: without it others wait for the lease's end.
        let leave = async {
            let _ = self.cursor.save(self.window.confirmed(), true).await;
            let _ = self.cursor.release().await;
        };
        let _ = timeout(Duration::from_secs(1), leave).await;
    }

    /// Pauses while commands go first, and keeps the lease meanwhile: another relay would publish
    /// what this one leaves for later, mostly on the same machine.
    async fn give_way(&mut self) {
        let Some(lease) = self.config.lease else { return self.pausing.pause().await };
        while timeout(lease / 3, self.pausing.pause()).await.is_err() {
            // Not held any more, or nobody to ask: the next step finds out.
            let Ok(first) = self.epoch_start().await else { return };
            if !matches!(self.cursor.hold(first).await, Ok(true)) {
                return;
            }
        }
    }

    /// Steps until everything there is has been published; gives up after 30 s without progress.
    ///
    /// # Errors
    /// [`RelayError`] that waiting cannot help, or did not.
    pub async fn drain(&mut self, progress: &mut (dyn FnMut(&RelayStats) + Send)) -> Result<(), RelayError> {
        let (mut moved_at, mut reached) = (Instant::now(), -1);
        loop {
            let result = self.step().await;
            progress(&self.stats);
            if self.stats.position() != reached {
                (moved_at, reached) = (Instant::now(), self.stats.position());
            }
            match result {
                Ok(Step::Idle) => return Ok(()),
                Ok(Step::Moved) => {}
                Ok(Step::StandBy) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) if !error.is_transient() || moved_at.elapsed() > Duration::from_secs(30) => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    pub(super) async fn epoch_start(&mut self) -> Result<Position, RelayError> {
        match self.first {
            Some(first) => Ok(first),
            None => {
                let first = epoch_start(self.log.pg(), self.client.config().epoch).await?;
                Ok(*self.first.insert(first))
            }
        }
    }

    async fn listen(&mut self) -> Result<(), RelayError> {
        if self.inbox.is_none() {
            let subject = format!("{}>", self.inbox_prefix);
            let inbox = self.client.nats().subscribe(subject).await;
            let inbox = inbox.map_err(|error| StreamError::Unreachable(error.to_string()))?;
            self.inbox = Some(inbox.ready_chunks(ANSWERS));
        }
        Ok(())
    }

    /// Learns of new events: from this process at no cost, from others by asking for the head.
    async fn look_for_more(&mut self) -> Result<(), RelayError> {
        if let Some(wake) = &mut self.wake {
            self.source.heard_of(*wake.borrow_and_update());
        }
        let busy = self.window.in_flight() > 0;
        if self.source.is_exhausted() && !(busy && self.asked_head.elapsed() < BUSY_POLL) {
            let head = log::head(self.log.pg()).await?;
            let ours = self.client.config().epoch;
            if head.epoch != ours {
                return Err(StreamError::EpochOver { ours, newer: head.epoch }.into());
            }
            self.asked_head = Instant::now();
            self.source.heard_of(head.position);
        }
        self.stats.progress.saw_head(self.source.head());
        Ok(())
    }

    /// An append of this process, or another connection.
    async fn woken(&mut self) {
        let appended = async {
            if let Some(wake) = &mut self.wake
                && wake.changed().await.is_ok()
            {
                return;
            }
            // No appender in this process, or it is gone for good: only polling is left.
            std::future::pending().await
        };
        tokio::select! {
            () = appended => {}
            // A closed client is noticed by the next step.
            _ = self.changes.changed() => self.synced = false,
        }
    }

    fn tell(&self, told: &mut RelayState, error: &RelayError) {
        let state = self.stats.state();
        if state == *told {
            return;
        }
        *told = state;
        if matches!(error, RelayError::Log(StoreError::Unavailable(_))) || error.is_transient() {
            tracing::warn!(%error, "the relay waits");
        } else {
            tracing::error!(%error, "the relay stopped publishing");
        }
    }
}

/// Waits for the connection to be lost or made; for ever once the client is closed.
async fn reconnected(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending().await
    }
}
