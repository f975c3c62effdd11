use std::{sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, header::ACCEPT, request::Parts},
    response::Response,
};
use bytes::Bytes;
use futures::stream;
use tokio::time::{Instant, sleep};

use super::status::standing;
use crate::{
    app::Shared,
    http::Seat,
    live::{Live, Place, stream_response},
    problem::Problem,
};

/// How often it is looked at: the steps take seconds.
const LOOK: Duration = Duration::from_secs(1);
/// Without a change, a sign of life.
const BEAT: Duration = Duration::from_secs(15);

/// Whether the caller asks for events; anything else gets the document.
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| {
        let media = one.split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

struct Watch {
    app: Shared,
    live: Arc<Live>,
    parts: Parts,
    told: Bytes,
    said_at: Instant,
    over: bool,
    _place: Place,
}

/// Every change, until it is final or the caller may not know any more.
pub(super) fn watched(app: Shared, parts: &Parts) -> Result<Response, Problem> {
    let live = app.live.clone().ok_or_else(Problem::unavailable)?;
    let identity = app.verifier.identity(&parts.headers)?;
    let place = live.budget.place(Some(identity.account))?;
    if let Some(seat) = parts.extensions.get::<Seat>() {
        seat.keep();
    }
    let watch = Watch {
        app,
        live,
        parts: parts.clone(),
        told: Bytes::new(),
        said_at: Instant::now(),
        over: false,
        _place: place,
    };
    Ok(stream_response(stream::unfold(watch, |mut watch| async move {
        let frame = watch.next().await?;
        Some((frame, watch))
    })))
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let document = match standing(&self.app, &self.parts).await {
                Ok(document) => Some(document),
                // The database is away for a moment; or the token is over, or the request is gone.
                Err(problem) if problem.status().is_server_error() => None,
                Err(_) => return None,
            };
            if let Some(document) = document {
                self.over = document.is_final();
                let frame = frame(&serde_json::to_string(&document).unwrap_or_default());
                if frame != self.told {
                    self.told = frame.clone();
                    self.said_at = Instant::now();
                    return Some(frame);
                }
            }
            if self.said_at.elapsed() > BEAT {
                self.said_at = Instant::now();
                return Some(Bytes::from_static(b": still at it\n\n"));
            }
            tokio::select! {
                () = self.live.stop.cancelled() => {
                    self.over = true;
                    return Some(Bytes::from_static(b"retry: 2000\n\n"));
                }
                () = sleep(LOOK) => {}
            }
        }
        None
    }
}

/// A document as an event. A certificate is kept as it was signed, line breaks included.
fn frame(json: &str) -> Bytes {
    Bytes::from(format!("data: {}\n\n", json.replace('\n', "\ndata: ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_several_lines_is_one_event() {
        assert_eq!(frame("{\"a\":\n\n1}"), "data: {\"a\":\ndata: \ndata: 1}\n\n");
    }

    #[test]
    fn events_are_for_who_asks_for_them() {
        let asks = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, text.parse().unwrap());
            wants_events(&headers)
        };
        assert!(asks("text/event-stream") && asks("application/json, Text/Event-Stream;q=0.9"));
        assert!(!asks("*/*") && !asks("application/json") && !asks("text/event-streams"));
    }
}
