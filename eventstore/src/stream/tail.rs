use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    Message,
    consumer::{AckPolicy, DeliverPolicy, pull},
};
use futures::StreamExt;
use kernel::{Position, RecordedEvent};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{MessageId, StreamClient, header};

/// A message as a reader gets it.
#[derive(Debug)]
pub struct StreamMessage {
    /// Its sequence in the stream. Says nothing about whether the one before was seen.
    pub position: Position,
    /// 0 when the message does not say.
    pub epoch: i32,
    /// None: too large for the stream, not decodable or not ours. Postgres has what belongs here.
    pub event: Option<RecordedEvent>,
}

/// Messages that may wait for a slow reader. Too high: memory; too low: more round trips.
const BUFFER_MESSAGES: usize = 2_048;
const BUFFER_BYTES: usize = 16 << 20;
/// Asked for at once. Together with the buffer this bounds what a reader holds.
const BATCH_MESSAGES: usize = 1_024;
/// A consumer that is silent for two of these is given up and made anew.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Reads the stream from a position on, unfiltered, in order of the stream, until it is dropped or
/// stopped. Whatever happens to connection, consumer or stream, it starts again by itself after the
/// last message it delivered; it may then repeat or skip. The reader compares positions and reads
/// holes from Postgres.
///
/// Needs the rights of the NATS user `app`: consumers, nothing else.
pub struct Tail {
    messages: mpsc::Receiver<(StreamMessage, OwnedSemaphorePermit)>,
    stop: CancellationToken,
}

impl Tail {
    #[must_use]
    pub fn start(client: StreamClient, after: Position, stop: CancellationToken) -> Self {
        let (sender, messages) = mpsc::channel(BUFFER_MESSAGES);
        let room = Arc::new(Semaphore::new(BUFFER_BYTES));
        let pump = Pump { client, last: after, sender, room };
        // A child, so that dropping the tail ends the task and nothing else.
        let stop = stop.child_token();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = pump.run() => {}
            }
        });
        Self { messages, stop }
    }

    /// The next message; None once stopped.
    pub async fn recv(&mut self) -> Option<StreamMessage> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            next = self.messages.recv() => next.map(|(message, _)| message),
        }
    }

    /// A message that is there already.
    pub fn try_recv(&mut self) -> Option<StreamMessage> {
        // Both "empty" and "stopped" mean: nothing now.
        self.messages.try_recv().ok().map(|(message, _)| message)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Pump {
    client: StreamClient,
    /// Last sequence delivered.
    last: Position,
    sender: mpsc::Sender<(StreamMessage, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// The reader has gone.
struct Gone;

impl Pump {
    async fn run(mut self) {
        let mut pause = Duration::from_millis(20);
        loop {
            let before = self.last;
            if self.read_until_broken().await.is_err() {
                return;
            }
            pause = if self.last > before { Duration::from_millis(20) } else { pause * 2 };
            pause = pause.min(Duration::from_millis(500));
            tokio::time::sleep(pause).await;
        }
    }

    /// Until something breaks. After a reconnect the consumer may be gone or behind, and answers to
    /// questions asked before will never come: a new one is cheaper to trust.
    async fn read_until_broken(&mut self) -> Result<(), Gone> {
        let mut changes = self.client.changes();
        changes.mark_unchanged();
        tokio::select! {
            result = self.read() => result,
            // An error means that the client is closed.
            _ = changes.changed() => Ok(()),
        }
    }

    /// One consumer's life. It is kept in the server's memory and nothing is acknowledged: the
    /// checkpoint is with the reader.
    async fn read(&mut self) -> Result<(), Gone> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: u64::try_from(self.last + 1).unwrap_or(1),
            },
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(30),
            ..pull::Config::default()
        };
        let jetstream = self.client.jetstream();
        let Ok(consumer) = jetstream.create_consumer_on_stream(config, self.client.name()).await else {
            return Ok(());
        };
        let builder = consumer.stream().max_messages_per_batch(BATCH_MESSAGES).heartbeat(HEARTBEAT);
        let Ok(mut messages) = builder.expires(Duration::from_secs(30)).messages().await else {
            return Ok(());
        };
        let mut delivered = 0;
        while let Some(Ok(message)) = messages.next().await {
            let Ok(info) = message.info() else { return Ok(()) };
            delivered += 1;
            if info.consumer_sequence != delivered {
                return Ok(());
            }
            let position = i64::try_from(info.stream_sequence).unwrap_or(i64::MAX);
            self.deliver(position, message).await?;
        }
        Ok(())
    }

    async fn deliver(&mut self, position: Position, message: Message) -> Result<(), Gone> {
        // A message larger than the whole buffer takes all of it.
        let size = u32::try_from(message.length.clamp(1, BUFFER_BYTES)).unwrap_or(1);
        let room = Arc::clone(&self.room).acquire_many_owned(size).await.map_err(|_| Gone)?;
        let decoded = decode(position, &message);
        self.sender.send((decoded, room)).await.map_err(|_| Gone)?;
        self.last = position;
        Ok(())
    }
}

fn decode(position: Position, message: &Message) -> StreamMessage {
    let Some(headers) = &message.headers else { return StreamMessage { position, epoch: 0, event: None } };
    let id = MessageId::of(position, headers);
    let event = if headers.get(header::BODY).is_some() || id.position != Some(position) {
        None
    } else {
        serde_json::from_slice(&message.payload)
            .ok()
            .filter(|event: &RecordedEvent| event.position == position && id.event_id == Some(event.event_id))
    };
    StreamMessage { position, epoch: id.epoch.unwrap_or_default(), event }
}
