use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use futures::FutureExt;
use kernel::{Position, RecordedEvent};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use super::tail::{OpenTail, TailSource};
use crate::{
    LogPool, StoreError,
    log::{self, PageLimit},
    stream::StreamMessage,
};

/// How long a tail may be silent while the head is ahead. Too low: every hiccup of the stream
/// becomes reads from Postgres; too high: a dead stream is noticed late.
const SILENCE: Duration = Duration::from_millis(200);
/// Behind by more than this, pages of the rebuild's size are worth their memory.
const FAR: i64 = 10_000;
const REOPEN: Duration = Duration::from_secs(1);

type Page = Result<Vec<RecordedEvent>, StoreError>;

/// Contiguous events after a position: from Postgres until caught up, then from the stream, and
/// from Postgres again for a hole, another epoch, a message without body, or silence.
pub(super) struct Feed {
    log: LogPool,
    committed: Option<watch::Receiver<Position>>,
    open: Option<OpenTail>,
    tail: Option<Box<dyn TailSource>>,
    reopen_at: Option<Instant>,
    /// From the tail, contiguous.
    buffer: VecDeque<RecordedEvent>,
    /// The next page, read while the present one is applied.
    ahead: Option<(Position, JoinHandle<Page>)>,
    head: Position,
    /// Postgres has more than we handed out, as far as we know.
    catching_up: bool,
    /// The tail delivers; a silent one is not waited for again until it speaks.
    tail_speaks: bool,
    behind_since: Option<Instant>,
}

impl Feed {
    pub fn new(log: LogPool, committed: Option<watch::Receiver<Position>>, open: Option<OpenTail>) -> Self {
        Self {
            log,
            committed,
            open,
            tail: None,
            reopen_at: None,
            buffer: VecDeque::new(),
            ahead: None,
            head: 0,
            catching_up: true,
            tail_speaks: true,
            behind_since: None,
        }
    }

    /// The log's end as far as it is known here.
    pub const fn head(&self) -> Position {
        self.head
    }

    /// The events after `after` that are at hand; none when there are none yet.
    pub async fn poll(&mut self, after: Position) -> Page {
        self.align(after);
        self.drain(after);
        if !self.buffer.is_empty() {
            self.behind_since = None;
            let count = self.buffer.len().min(PageLimit::TAIL.events as usize);
            return Ok(self.buffer.drain(..count).collect());
        }
        if self.head <= after {
            self.learn(log::head(self.log.pg()).await?.position);
        }
        if self.head <= after {
            self.behind_since = None;
            self.caught_up(after).await;
            return Ok(Vec::new());
        }
        if !self.catching_up && self.tail.is_some() && self.tail_speaks {
            // The stream is a moment behind the log: its message is on the way.
            if self.behind_since.get_or_insert_with(Instant::now).elapsed() < SILENCE {
                return Ok(Vec::new());
            }
            self.tail_speaks = false;
        }
        let page = self.page(after).await?;
        self.behind_since = None;
        let last = page.last().map_or(after, |event| event.position);
        if page.is_empty() {
            // A message spoke of more than the log has.
            self.head = log::head(self.log.pg()).await?.position;
        }
        self.learn(last);
        if last >= self.head {
            self.caught_up(last).await;
        }
        Ok(page)
    }

    /// Waits until a poll may find something, `patience` at most.
    pub async fn wait(&mut self, after: Position, patience: Duration) {
        let patience = match self.behind_since {
            Some(since) => SILENCE.saturating_sub(since.elapsed()).min(patience),
            None => patience,
        };
        let news = async {
            if let Some(head) = &mut self.committed
                && head.changed().await.is_ok()
            {
                return *head.borrow_and_update();
            }
            // Nobody in this process appends, or no longer.
            std::future::pending().await
        };
        let message = async {
            match &mut self.tail {
                Some(tail) => tail.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            head = news => self.learn(head),
            message = message => self.accept(after, message),
            () = sleep(patience) => {}
        }
    }

    fn learn(&mut self, head: Position) {
        self.head = self.head.max(head);
    }

    /// Forgets what does not continue at `after`.
    fn align(&mut self, after: Position) {
        while self.buffer.front().is_some_and(|event| event.position <= after) {
            self.buffer.pop_front();
        }
        if self.buffer.front().is_some_and(|event| event.position != after + 1) {
            self.buffer.clear();
        }
    }

    /// Takes what the tail has without waiting.
    fn drain(&mut self, after: Position) {
        while self.buffer.len() < PageLimit::TAIL.events as usize {
            let Some(tail) = &mut self.tail else { return };
            let Some(message) = tail.recv().now_or_never() else { return };
            self.accept(after, message);
        }
    }

    fn accept(&mut self, after: Position, message: Option<StreamMessage>) {
        let Some(message) = message else {
            self.tail = None;
            self.catching_up = true;
            self.reopen_at = Some(Instant::now() + REOPEN);
            return;
        };
        let next = after + 1 + self.buffer.len() as i64;
        match message.event {
            _ if message.epoch != self.log.epoch() => self.catching_up = true,
            _ if message.position < next => {}
            Some(event) if message.position == next && event.position == next => {
                self.tail_speaks = true;
                self.learn(next);
                self.buffer.push_back(event);
            }
            // A hole, or a body that only the log has.
            _ => {
                self.learn(message.position);
                self.catching_up = true;
            }
        }
    }

    async fn caught_up(&mut self, position: Position) {
        self.catching_up = false;
        let Some(open) = &self.open else { return };
        if self.tail.is_none() && self.reopen_at.is_none_or(|at| Instant::now() >= at) {
            self.tail = open(position).await;
            self.tail_speaks = self.tail.is_some();
            self.reopen_at = Some(Instant::now() + REOPEN);
        }
    }

    /// One page from Postgres, and the next one begun when this one was full.
    async fn page(&mut self, after: Position) -> Page {
        let limit = if self.head - after > FAR { PageLimit::REBUILD } else { PageLimit::TAIL };
        let page = match self.ahead.take() {
            Some((from, page)) if from == after => match page.await {
                Ok(page) => page?,
                Err(_) => return Err(StoreError::Internal("reading ahead was cancelled".into())),
            },
            other => {
                if let Some((_, stale)) = other {
                    stale.abort();
                }
                log::read_page(self.log.pg(), after, limit).await?
            }
        };
        if let Some(last) = page.last().map(|event| event.position)
            && self.head - last >= PageLimit::TAIL.events
        {
            let log = self.log.clone();
            let read = async move { log::read_page(log.pg(), last, limit).await };
            self.ahead = Some((last, tokio::spawn(read)));
        }
        Ok(page)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some((_, page)) = &self.ahead {
            page.abort();
        }
    }
}
