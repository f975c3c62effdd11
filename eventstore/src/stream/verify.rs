use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use futures::StreamExt;
use kernel::Position;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{MessageId, StreamClient, StreamError};
use crate::{LogPool, StoreError, log};

/// Log rows and messages compared in one go.
const PAGE: i64 = 10_000;
/// Holes named in a report; more are only counted.
const NAMED_HOLES: usize = 1_000;

/// One place where stream and log are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Between first and last there is no message, and the event was not redacted.
    Hole { position: Position },
    /// Another message than the log's event.
    Other { position: Position, stream: Option<Uuid>, log: Uuid },
    /// The stream goes further than the log: the log lost its tail.
    Ahead { last: Position, head: Position },
}

impl Difference {
    #[must_use]
    pub const fn position(&self) -> Position {
        match self {
            Self::Hole { position } | Self::Other { position, .. } => *position,
            Self::Ahead { head, .. } => *head + 1,
        }
    }
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamReport {
    /// Stream's first and last sequence and the log's head when it began.
    pub first: Position,
    pub last: Position,
    pub head: Position,
    /// Positions compared.
    pub checked: u64,
    /// Equal messages.
    pub equal: u64,
    /// Positions of the range that the stream has dropped by age or size; no fault.
    pub below_first: u64,
    /// Positions of the range that are not published yet; no fault.
    pub not_yet: u64,
    /// Positions without message, the first thousand; `hole_count` has them all.
    pub holes: Vec<Position>,
    pub hole_count: u64,
    /// Positions without message because a field of the event was redacted; no fault.
    pub redacted: u64,
    /// Messages that are not the log's event, and the first of them.
    pub other_count: u64,
    pub first_other: Option<Difference>,
    /// The one with the lowest position, of all kinds.
    pub first_difference: Option<Difference>,
}

impl StreamReport {
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        self.first_difference.is_none()
    }

    fn settle(mut self) -> Self {
        let hole = self.holes.first().map(|position| Difference::Hole { position: *position });
        let ahead = (self.last > self.head).then_some(Difference::Ahead { last: self.last, head: self.head });
        self.first_difference =
            [hole, self.first_other.clone(), ahead].into_iter().flatten().min_by_key(Difference::position);
        self
    }

    fn hole(&mut self, position: Position) {
        self.hole_count += 1;
        if self.holes.len() < NAMED_HOLES {
            self.holes.push(position);
        }
    }

    fn other(&mut self, position: Position, stream: Option<Uuid>, log: Uuid) {
        self.other_count += 1;
        self.first_other.get_or_insert(Difference::Other { position, stream, log });
    }

    /// What looked like a hole may have been dropped by age or size while we compared.
    fn forgive_expired(&mut self, first: Position) {
        let before = self.holes.len();
        self.holes.retain(|hole| *hole >= first);
        self.hole_count -= (before - self.holes.len()) as u64;
    }
}

/// Compares stream and log by (sequence, event id), page by page and with headers only; nothing is
/// held for longer than a page. Both may move on meanwhile.
///
/// # Errors
/// [`StreamError::Missing`] without a stream; [`StreamError`] when one of the two cannot be read.
pub async fn verify(
    log: &LogPool,
    client: &StreamClient,
    range: RangeInclusive<Position>,
) -> Result<StreamReport, StreamError> {
    let state = client.state().await?;
    // After the stream's state: the stream never goes ahead of a head read later.
    let head = log::head(log.pg()).await?.position;
    let mut report = StreamReport { first: state.first, last: state.last, head, ..Default::default() };
    let (start, end) = ((*range.start()).max(1), (*range.end()).min(head));
    report.below_first = (state.first.min(end + 1) - start).max(0).unsigned_abs();
    report.not_yet = (end - state.last.max(start - 1)).max(0).unsigned_abs();
    let (from, to) = (start.max(state.first), end.min(state.last));
    if from > to {
        return Ok(report.settle());
    }
    let mut reader = Reader::open(client, from).await?;
    let mut after = from - 1;
    while after < to {
        let page = event_ids(log.pg(), after, to.min(after + PAGE)).await?;
        let Some((last, ..)) = page.last() else {
            return Err(StoreError::Internal(format!("the log has a hole after position {after}")).into());
        };
        after = *last;
        reader.read_to(after).await?;
        for (position, event_id, redacted) in page {
            report.checked += 1;
            match reader.take(position) {
                None if redacted => report.redacted += 1,
                None => report.hole(position),
                Some(id) if id.event_id == Some(event_id) && id.position == Some(position) => {
                    report.equal += 1;
                }
                Some(id) => report.other(position, id.event_id, event_id),
            }
        }
    }
    if report.hole_count > 0 {
        report.forgive_expired(client.state().await?.first);
    }
    Ok(report.settle())
}

async fn event_ids(
    db: impl PgExecutor<'_>,
    after: Position,
    to: Position,
) -> Result<Vec<(Position, Uuid, bool)>, StoreError> {
    let rows = sqlx::query!(
        r#"select position, event_id, salt is null as "redacted!"
           from events where position > $1 and position <= $2 order by position"#,
        after,
        to
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.position, row.event_id, row.redacted)).collect())
}

/// Reads ids through a throw-away consumer.
struct Reader {
    consumer: Consumer<pull::Config>,
    waiting: VecDeque<MessageId>,
    read_to: Position,
    patience: Duration,
}

impl Reader {
    async fn open(client: &StreamClient, from: Position) -> Result<Self, StreamError> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: u64::try_from(from).unwrap_or(1),
            },
            ack_policy: AckPolicy::None,
            headers_only: true,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(60),
            ..pull::Config::default()
        };
        let consumer = client
            .jetstream()
            .create_consumer_on_stream(config, client.name())
            .await
            .map_err(|error| StreamError::Unreachable(error.kind().to_string()))?;
        let patience = client.config().request_timeout;
        Ok(Self { consumer, waiting: VecDeque::new(), read_to: from - 1, patience })
    }

    /// Reads on until the message at `to` has come, or none is left.
    async fn read_to(&mut self, to: Position) -> Result<(), StreamError> {
        let broken = |_| StreamError::Unreachable("the comparison's consumer broke".to_owned());
        while self.read_to < to {
            let missing = usize::try_from(to - self.read_to).unwrap_or(1);
            let fetch = self.consumer.fetch().max_messages(missing);
            let mut batch = fetch.messages().await.map_err(|error| broken(error.into()))?;
            let mut came = 0;
            loop {
                let next = tokio::time::timeout(self.patience, batch.next());
                let next = next.await.map_err(|_| StreamError::Timeout { what: "reading the stream" })?;
                let Some(message) = next.transpose().map_err(broken)? else { break };
                let info = message.info().map_err(broken)?;
                let sequence = i64::try_from(info.stream_sequence).unwrap_or(i64::MAX);
                let headers = message.headers.clone().unwrap_or_default();
                self.waiting.push_back(MessageId::of(sequence, &headers));
                self.read_to = sequence;
                came += 1;
            }
            if came == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take(&mut self, position: Position) -> Option<MessageId> {
        while let Some(id) = self.waiting.front() {
            if id.sequence > position {
                return None;
            }
            let id = *id;
            self.waiting.pop_front();
            if id.sequence == position {
                return Some(id);
            }
        }
        None
    }
}
