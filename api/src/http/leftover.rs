use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::BoxError;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

use super::guests::Waiting;

/// How much of an unread body is taken in. More is not worth a good answer.
const MAX_DRAINED: usize = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// A request's body, shared between the handler and whoever clears up after it.
///
/// A refusal is often given before the body was read. Closing the connection on unread bytes makes
/// the kernel reset it, and the client, still sending, loses the answer.
pub(super) struct SharedBody {
    body: Arc<Mutex<Incoming>>,
    begun: Arc<AtomicBool>,
    /// Told when all of it is there.
    waiting: Option<Waiting>,
}

/// What the handler left of the body.
pub(super) struct Leftover(Arc<Mutex<Incoming>>, Arc<AtomicBool>);

impl SharedBody {
    pub fn new(body: Incoming, waiting: Waiting) -> (Self, Leftover) {
        let (shared, begun) = (Arc::new(Mutex::new(body)), Arc::new(AtomicBool::new(false)));
        let leftover = Leftover(Arc::clone(&shared), Arc::clone(&begun));
        (Self { body: shared, begun, waiting: Some(waiting) }, leftover)
    }

    fn body(&self) -> MutexGuard<'_, Incoming> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for SharedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.begun.store(true, Ordering::Relaxed);
        let mut body = self.body();
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        let ended = frame.is_none() || body.is_end_stream();
        drop(body);
        if ended && self.waiting.as_ref().is_some_and(|waiting| !waiting.is_over()) {
            // Whoever sent it does not get the answer any more: better nothing is done.
            return Poll::Ready(Some(Err("the connection had to make room".into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

impl Leftover {
    /// Whether the handler asked for any of it; `Expect: 100-continue` was answered then.
    pub fn begun(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    /// Reads on, within bounds, what the handler did not want.
    pub async fn drain(self) {
        let mut body = SharedBody { body: self.0, begun: self.1, waiting: None };
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
