use std::time::Duration;

use kernel::{Position, RecordedEvent};
use tokio::sync::watch;

use super::{feed::Feed, tail::OpenTail};
use crate::{LogPool, StoreError};

/// The log without gap from a position on, for a reader that keeps nothing: what a runner reads,
/// without checkpoints. From the stream when that speaks, from Postgres for everything else.
pub struct Following {
    feed: Feed,
    after: Position,
}

impl Following {
    /// `committed` is what the appender of this process has written, where there is one.
    #[must_use]
    pub fn new(
        log: LogPool,
        committed: Option<watch::Receiver<Position>>,
        tail: Option<OpenTail>,
        after: Position,
    ) -> Self {
        Self { feed: Feed::new(log, committed, tail), after }
    }

    /// The last position that was handed out.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.after
    }

    /// What comes next, in order; nothing when nothing came within `patience`. Not to be dropped
    /// while it runs, unless the whole reader is.
    ///
    /// # Errors
    /// [`StoreError`] when the log cannot be read; the next call goes on at the same place.
    pub async fn next(&mut self, patience: Duration) -> Result<Vec<RecordedEvent>, StoreError> {
        let mut events = self.feed.poll(self.after).await?;
        if events.is_empty() {
            self.feed.wait(self.after, patience).await;
            events = self.feed.poll(self.after).await?;
        }
        if let Some(last) = events.last() {
            self.after = last.position;
        }
        Ok(events)
    }
}
