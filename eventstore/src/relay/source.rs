use std::{collections::VecDeque, sync::Arc};

use kernel::Position;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    LogPool, StoreError,
    log::{self, PageLimit, Salted},
    stream::{Encoder, Outgoing, StreamClient},
};

/// The log as a queue of messages, one page ahead: while a page is being published, a task reads
/// and encodes the next.
pub(super) struct Source {
    log: LogPool,
    client: StreamClient,
    encoder: Arc<Encoder>,
    page: PageLimit,
    ready: VecDeque<Outgoing>,
    /// Last position read or being read for.
    read_to: Position,
    /// Last position known to be in the log.
    head: Position,
    fetch: Option<AbortOnDropHandle<Result<Vec<Outgoing>, StoreError>>>,
}

impl Source {
    pub fn new(log: LogPool, client: StreamClient, encoder: Encoder, page: PageLimit) -> Self {
        Self {
            log,
            client,
            encoder: Arc::new(encoder),
            page,
            ready: VecDeque::new(),
            read_to: 0,
            head: 0,
            fetch: None,
        }
    }

    /// Starts again after a position.
    pub fn rewind(&mut self, position: Position) {
        self.fetch = None;
        self.ready.clear();
        self.read_to = position;
    }

    pub fn heard_of(&mut self, head: Position) {
        self.head = self.head.max(head);
    }

    pub const fn head(&self) -> Position {
        self.head
    }

    /// Nothing here, nothing on its way, nothing known of.
    pub fn is_exhausted(&self) -> bool {
        self.ready.is_empty() && self.fetch.is_none() && self.head <= self.read_to
    }

    pub const fn is_reading(&self) -> bool {
        self.fetch.is_some()
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn take(&mut self) -> Option<Outgoing> {
        self.ready.pop_front()
    }

    /// Starts reading the next page if there is one and less than a page is waiting.
    pub fn read_ahead(&mut self) {
        let waiting = i64::try_from(self.ready.len()).unwrap_or(i64::MAX);
        if self.fetch.is_some() || self.head <= self.read_to || waiting >= self.page.events {
            return;
        }
        let (log, encoder) = (self.log.clone(), Arc::clone(&self.encoder));
        let (after, page, max_payload) = (self.read_to, self.page, self.client.max_payload());
        let fetch = tokio::spawn(async move {
            let page = log::read_salted_page(log.pg(), after, page).await?;
            let encode = |(index, one): (usize, &Salted)| {
                let event = &one.event;
                // Events of one append share their metadata; no other append has the same.
                let goes_on =
                    page.events.get(index + 1).map_or(page.full, |Salted { event: next, .. }| {
                        next.recorded_at == event.recorded_at && next.metadata.get() == event.metadata.get()
                    });
                let message = encoder.encode(event, max_payload);
                message.salted(one.salt.as_deref(), &one.payload_hash).continued(goes_on)
            };
            Ok(page.events.iter().enumerate().map(encode).collect())
        });
        self.fetch = Some(AbortOnDropHandle::new(fetch));
    }

    /// Waits for the page being read; for ever when there is none.
    pub async fn page(&mut self) -> Result<(), StoreError> {
        let Some(fetch) = &mut self.fetch else { return std::future::pending().await };
        let page = fetch.await;
        self.fetch = None;
        // The task ends early only when the runtime shuts down.
        let page = page.map_err(|_| StoreError::Unavailable("the process is stopping".to_owned()))??;
        match page.last() {
            Some(last) => self.read_to = last.position,
            // We were told of more than there is: believe the log.
            None => self.head = self.read_to,
        }
        self.head = self.head.max(self.read_to);
        self.ready.extend(page);
        Ok(())
    }
}
