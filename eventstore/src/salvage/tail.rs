use std::{collections::VecDeque, time::Duration};

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use futures::StreamExt;
use kernel::Position;

use super::{SalvageError, Surplus, SurplusMessage};
use crate::stream::{StreamClient, StreamError};

/// Messages held at once; a page is also one transaction of the way back.
const PAGE: i64 = 2_000;

/// Reads a surplus in order, through a throw-away consumer; where the stream has no message it says
/// so instead of stepping over it.
pub(super) struct Tail {
    consumer: Consumer<pull::Config>,
    patience: Duration,
    epoch: i32,
    next: Position,
    last: Position,
    buffer: VecDeque<SurplusMessage>,
}

impl Tail {
    pub async fn open(client: &StreamClient, surplus: &Surplus) -> Result<Self, SalvageError> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: u64::try_from(surplus.from).unwrap_or(1),
            },
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(60),
            ..pull::Config::default()
        };
        let consumer = client
            .jetstream()
            .create_consumer_on_stream(config, surplus.stream.clone())
            .await
            .map_err(|error| StreamError::Unreachable(error.kind().to_string()))?;
        Ok(Self {
            consumer,
            patience: client.config().request_timeout,
            epoch: surplus.epoch,
            next: surplus.from,
            last: surplus.to,
            buffer: VecDeque::new(),
        })
    }

    /// The next page; empty at the end.
    pub async fn page(&mut self) -> Result<Vec<SurplusMessage>, SalvageError> {
        let end = self.last.min(self.next + PAGE - 1);
        let mut page = Vec::new();
        while self.next <= end {
            let Some(message) = self.take().await? else {
                // Nothing is behind here any more: everything that is left is missing.
                page.extend((self.next..=end).map(SurplusMessage::missing));
                self.next = end + 1;
                break;
            };
            if message.sequence > end {
                page.extend((self.next..=end).map(SurplusMessage::missing));
                self.next = end + 1;
                // Read ahead of a hole.
                self.buffer.push_front(message);
                break;
            }
            page.extend((self.next..message.sequence).map(SurplusMessage::missing));
            self.next = message.sequence + 1;
            page.push(message);
        }
        Ok(page)
    }

    async fn take(&mut self) -> Result<Option<SurplusMessage>, SalvageError> {
        if self.buffer.is_empty() {
            self.fetch().await?;
        }
        Ok(self.buffer.pop_front())
    }

    async fn fetch(&mut self) -> Result<(), SalvageError> {
        let broken = || StreamError::Unreachable("the consumer of the surplus broke".to_owned());
        let wanted = usize::try_from((self.last + 1 - self.next).clamp(1, PAGE)).unwrap_or(1);
        let fetch = self.consumer.fetch().max_messages(wanted);
        let mut batch = fetch.messages().await.map_err(|_| broken())?;
        loop {
            let next = tokio::time::timeout(self.patience, batch.next()).await;
            let next = next.map_err(|_| StreamError::Timeout { what: "reading the surplus" })?;
            let Some(message) = next.transpose().map_err(|_| broken())? else { return Ok(()) };
            let info = message.info().map_err(|_| broken())?;
            let sequence = i64::try_from(info.stream_sequence).unwrap_or(i64::MAX);
            let headers = message.headers.clone().unwrap_or_default();
            self.buffer.push_back(SurplusMessage::read(sequence, self.epoch, &headers, &message.payload));
        }
    }
}
