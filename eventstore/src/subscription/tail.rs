use std::sync::Arc;

use kernel::Position;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::registry::Boxed;
use crate::stream::{StreamClient, StreamMessage, Tail};

/// Where new events come from without asking Postgres. It may repeat, skip, fall silent or end:
/// the feed checks every message and reads from Postgres what is missing.
pub trait TailSource: Send {
    /// The next message; `None` when the source has ended. Dropping the future loses no message.
    fn recv(&mut self) -> Boxed<'_, Option<StreamMessage>>;
}

/// Opens a tail that begins after a position; `None` when that is not possible now.
pub type OpenTail = Arc<dyn Fn(Position) -> Boxed<'static, Option<Box<dyn TailSource>>> + Send + Sync>;

/// The stream as a source: what a runner in production follows.
#[must_use]
pub fn stream_tail(client: StreamClient, stop: CancellationToken) -> OpenTail {
    Arc::new(move |after| {
        let tail = Tail::start(client.clone(), after, stop.clone());
        Box::pin(async move { Some(Box::new(tail) as Box<dyn TailSource>) })
    })
}

impl TailSource for Tail {
    fn recv(&mut self) -> Boxed<'_, Option<StreamMessage>> {
        Box::pin(Self::recv(self))
    }
}

/// For tests that speak in the stream's place.
impl TailSource for mpsc::Receiver<StreamMessage> {
    fn recv(&mut self) -> Boxed<'_, Option<StreamMessage>> {
        Box::pin(Self::recv(self))
    }
}
