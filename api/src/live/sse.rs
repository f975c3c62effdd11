use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE},
        request::Parts,
    },
    response::Response,
};
use bytes::Bytes;
use eventstore::log;
use futures::{Stream, StreamExt};
use kernel::Position;
use rand::RngExt;
use tokio::time::{sleep, timeout};

use super::{Filter, Listening, Live, Next, filter::FILTERS};
use crate::{
    app::{App, Shared},
    http::{Params, Seat, single},
    problem::Problem,
};

/// The resume position as a parameter: `EventSource` cannot send headers of its own at first.
const RESUME: &str = "last_event_id";

/// `GET /v1/live?bbox=&aggregate_type=&aggregate=&type=&node=&mine=&last_event_id=`: the log as it
/// grows, as server-sent events; `id` is the position.
pub async fn live(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    listen(&app, &parts).await
}

async fn listen(app: &Shared, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity_if_any(&parts.headers)?;
    let mut known = FILTERS.to_vec();
    known.push(RESUME);
    let params = Params::parse(parts.uri.query(), &known)?;
    let filter = Filter::parse(&params, identity)?;
    let after = resume(&params, &parts.headers)?;
    let live = app.live.as_ref().ok_or_else(Problem::unavailable)?;
    check(live, after).await?;
    let place = live.budget.place(identity.map(|identity| identity.account))?;
    let seat = parts.extensions.get::<Seat>().cloned();
    let cut = seat.as_ref().map(|seat| seat.cut().clone()).unwrap_or_default();
    if let Some(seat) = &seat {
        seat.keep();
    }
    let listening = Listening::begin(Arc::clone(live), filter, after, cut);
    let (app, headers) = (Arc::clone(app), identity.map(|_| parts.headers.clone()));
    let mut started = false;
    let frames = listening.stream().map(move |next| {
        let _held = &place;
        let first = !std::mem::replace(&mut started, true);
        written(&app, headers.as_ref(), next, first)
    });
    // The last frame is the one that says goodbye.
    let frames = frames.scan(false, |over, (frame, last)| {
        let stopped = std::mem::replace(over, last);
        std::future::ready((!stopped).then_some(frame))
    });
    Ok(stream_response(frames))
}

/// The bytes of one step, and whether they are the last.
fn written(app: &App, headers: Option<&HeaderMap>, next: Next, first: bool) -> (Bytes, bool) {
    let frame = match next {
        Next::Event(event) => event.frame.clone(),
        // A token that has expired meanwhile, or was revoked, hears no more.
        Next::Beat(_) if headers.is_some_and(|headers| app.verifier.identity(headers).is_err()) => {
            return (Bytes::from_static(b": the token is over\n\n"), true);
        }
        // An id without data is remembered by the client and shown to nobody.
        Next::Beat(position) => Bytes::from(format!("id: {position}\n\n")),
        // Not all of them at once to whoever takes our place.
        Next::Ended => {
            let pause = rand::rng().random_range(500..4_000);
            return (Bytes::from(format!("retry: {pause}\n\n")), true);
        }
    };
    match first {
        true => (Bytes::from([b"retry: 2000\n\n".as_slice(), &frame].concat()), false),
        false => (frame, false),
    }
}

/// Where to go on: what a client says by itself when it comes back, or else the parameter.
fn resume(params: &Params<'_>, headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    const HEADER: &str = "Last-Event-ID";
    let (name, text) = match single(headers, "last-event-id")? {
        Some(value) => (HEADER, value.to_str().unwrap_or("?")),
        None => match params.get(RESUME) {
            Some(text) => (RESUME, text),
            None => return Ok(None),
        },
    };
    let digits = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().ok().filter(|_| digits) {
        Some(position) => Ok(Some(position)),
        None => Err(Problem::bad_parameter(name, "A position is a number of at most 18 digits.")),
    }
}

/// How long a listener of the first second waits until anybody can be told of anything.
const READY: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// A position that this log has never reached was another log's, or was lost in a failover.
///
/// # Errors
/// 409 `position-lost`, 503 `unavailable` when the log cannot be read.
pub(crate) async fn check(live: &Live, after: Option<Position>) -> Result<(), Problem> {
    let ready = async {
        while !live.registry.is_ready() {
            sleep(LOOK).await;
        }
    };
    timeout(READY, ready).await.map_err(|_| Problem::unavailable())?;
    match after {
        Some(after) if after > live.position() => {
            let head = log::head(&live.pool).await?.position;
            if after > head { Err(Problem::position_lost()) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// A stream of server-sent events. It ends with its connection.
#[must_use]
pub fn stream_response(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(frames.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    // nginx would collect it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, header: Option<&str>) -> Result<Option<Position>, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(text) = header {
            headers.insert("last-event-id", HeaderValue::from_bytes(text.as_bytes()).unwrap());
        }
        resume(&Params::parse(Some(query), &[RESUME]).unwrap(), &headers)
    }

    #[test]
    fn the_header_goes_before_the_parameter() {
        assert_eq!(read("", None).unwrap(), None);
        assert_eq!(read("last_event_id=7", None).unwrap(), Some(7));
        assert_eq!(read("last_event_id=7", Some("9")).unwrap(), Some(9));
        for bad in ["", "-1", "+1", "1e3", "x", "ä", "99999999999999999999", "1\t"] {
            assert_eq!(read("last_event_id=7", Some(bad)).unwrap_err().status(), 400, "{bad}");
        }
        assert_eq!(read("last_event_id=-7", None).unwrap_err().status(), 400);
    }
}
