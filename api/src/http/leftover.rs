use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// How much of an unread body is taken in. More is not worth a good answer.
const MAX_DRAINED: usize = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// A request's body, shared between the handler and whoever clears up after it.
///
/// A refusal is often given before the body was read. Closing the connection on unread bytes makes
/// the kernel reset it, and the client, still sending, loses the answer.
pub(super) struct SharedBody(Arc<Mutex<Incoming>>, Arc<AtomicBool>);

/// What the handler left of the body.
pub(super) struct Leftover(Arc<Mutex<Incoming>>, Arc<AtomicBool>);

impl SharedBody {
    pub fn new(body: Incoming) -> (Self, Leftover) {
        let (shared, begun) = (Arc::new(Mutex::new(body)), Arc::new(AtomicBool::new(false)));
        (Self(Arc::clone(&shared), Arc::clone(&begun)), Leftover(shared, begun))
    }
}

impl Body for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.1.store(true, Ordering::Relaxed);
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

impl Leftover {
    /// Whether the handler asked for any of it; `Expect: 100-continue` was answered then.
    pub fn begun(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    /// Reads on, within bounds, what the handler did not want.
    pub async fn drain(self) {
        let mut body = SharedBody(self.0, self.1);
        if body.is_end_stream() {
            return;
        }
        let reading = async {
            let mut drained = 0;
            while let Some(Ok(frame)) = body.frame().await {
                drained += frame.data_ref().map_or(0, Bytes::len);
                if drained >= MAX_DRAINED {
                    return;
                }
            }
        };
        // Who sends more slowly than that gets the answer or does not.
        let _ = timeout(DRAIN_TIME, reading).await;
    }
}
