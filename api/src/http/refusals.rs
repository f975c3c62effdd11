use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::http::StatusCode;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use super::seat::Seat;
use crate::problem::Problem;

/// Of a connection that a handler keeps.
const KEPT_BUFFER: usize = 32 * 1024;

/// A connection on which hyper's own refusals are problem documents, too.
///
/// What is no request (a malformed head, a URI or headers too long) never reaches a handler: hyper
/// answers it with a head and no body. Nobody else here answers 4xx without one, so such a head is
/// recognised on its way out.
pub(super) struct Refusals {
    stream: TcpStream,
    seat: Seat,
    /// The kernel was told to hold little of what is sent.
    narrow: bool,
    /// What goes out instead, how much of it has, and how many bytes of hyper's it stands for.
    instead: Option<(Vec<u8>, usize, usize)>,
}

impl Refusals {
    pub const fn on(stream: TcpStream, seat: Seat) -> Self {
        Self { stream, seat, narrow: false, instead: None }
    }
}

const EMPTY: &str = "content-length: 0\r\n";

/// The same refusal with a document, when this is one without.
fn with_document(head: &[u8]) -> Option<Vec<u8>> {
    if !head.starts_with(b"HTTP/1.1 4") && !head.starts_with(b"HTTP/1.0 4") {
        return None;
    }
    let text = std::str::from_utf8(head).ok()?;
    let (before, after) = text.split_once(EMPTY)?;
    if !after.ends_with("\r\n") || text.find("\r\n\r\n")? + 4 != text.len() {
        return None;
    }
    let problem = match text.get(9..12)?.parse().ok().and_then(|status| StatusCode::from_u16(status).ok())? {
        status @ StatusCode::URI_TOO_LONG => {
            Problem::new(status, "uri-too-long", "The path and its query are too long.")
        }
        status @ StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Problem::new(status, "headers-too-large", "Send at most 64 headers, and 64 KiB of them.")
        }
        status => Problem::new(status, "malformed-request", "This is no HTTP request that can be read."),
    };
    let body = problem.to_json();
    let length = body.len();
    let mut whole = format!(
        "{before}content-type: application/problem+json\r\ncache-control: no-store\r\n\
         content-length: {length}\r\n{after}"
    )
    .into_bytes();
    whole.extend(body);
    Some(whole)
}

impl AsyncRead for Refusals {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Refusals {
    /// Sends what stands for hyper's bytes, whole, before it says that they are written.
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<usize>>> {
        let Some((bytes, sent, stands_for)) = &mut self.instead else { return Poll::Ready(Ok(None)) };
        while *sent < bytes.len() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[*sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += count;
        }
        let written = *stands_for;
        self.instead = None;
        Poll::Ready(Ok(Some(written)))
    }
}

impl AsyncWrite for Refusals {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.instead = with_document(buffer).map(|whole| (whole, 0, buffer.len()));
        }
        match ready!(self.poll_instead(context))? {
            Some(written) => Poll::Ready(Ok(written)),
            None => Pin::new(&mut self.stream).poll_write(context, buffer),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A refusal is one buffer: it has nothing to follow its head.
        let mut filled = buffers.iter().filter(|buffer| !buffer.is_empty());
        if self.instead.is_none()
            && let (Some(head), None) = (filled.next(), filled.next())
        {
            self.instead = with_document(head).map(|whole| (whole, 0, head.len()));
        }
        match ready!(self.poll_instead(context))? {
            Some(written) => Poll::Ready(Ok(written)),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.narrow && self.seat.is_kept() {
            self.narrow = true;
            // Some megabytes otherwise, for each who does not read. One that refuses still works.
            let _ = SockRef::from(&self.stream).set_send_buffer_size(KEPT_BUFFER);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Turns connections away that there is no room for, politely, as long as those are few.
#[derive(Clone)]
pub(super) struct TurnAway(Arc<Semaphore>);

/// How many are turned away with a word at once; more find their connection closed.
const TURNED_AWAY_AT_ONCE: usize = 64;
/// How long the word may take to arrive.
const LAST_WORD: Duration = Duration::from_secs(1);

impl Default for TurnAway {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)))
    }
}

impl TurnAway {
    pub fn refuse(&self, mut stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _permit = permit;
            let body = Problem::overload().to_json();
            let head = format!(
                "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
                 cache-control: no-store\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let farewell = async {
                let mut unread = [0; 4096];
                // A client that has not asked yet takes an answer for a broken connection.
                if stream.read(&mut unread).await? == 0 {
                    return Ok(());
                }
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&body).await?;
                stream.shutdown().await?;
                // Closing on unread bytes would take the word back.
                while stream.read(&mut unread).await? > 0 {}
                io::Result::Ok(())
            };
            // Who does not listen misses nothing else.
            let _ = timeout(LAST_WORD, farewell).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_without_a_body_gets_one() {
        let bare = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let whole = String::from_utf8(with_document(bare.as_bytes()).unwrap()).unwrap();
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(
            "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json"
        ));
        assert!(head.contains(&format!("content-length: {}\r\ndate: x", body.len())), "{head}");
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&document["status"], document["type"].as_str().unwrap()),
            (&serde_json::json!(431), "urn:weltgewebe:problem:headers-too-large")
        );
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 125\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "HTTP/1.1 400 Bad Request\r\nx: y\r\n\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(with_document(other.as_bytes()), None, "{other}");
        }
    }
}
