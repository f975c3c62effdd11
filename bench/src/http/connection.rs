use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A keep-alive connection that understands just what our server sends: a status line, headers
/// with a content length, a body. A real client would take the cores that are being measured.
pub struct Connection {
    stream: TcpStream,
    /// What has been read and not been answered with yet.
    inbox: Vec<u8>,
    /// Bytes of the last answer, dropped when the next one is asked for.
    answered: usize,
}

/// Status, head and body.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    pub status: u16,
    head: &'a [u8],
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// Whether a header is there; its name in lower case.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let lines = self.head.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| line.get(..line.iter().position(|byte| *byte == b':')?))
            .any(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The body as text, for messages.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body).into_owned()
    }
}

impl Connection {
    /// # Errors
    /// Nobody listens there.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Vec::with_capacity(16 << 10), answered: 0 })
    }

    /// # Errors
    /// The connection broke, or the answer is not of the expected form.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.inbox.drain(..self.answered);
        self.answered = 0;
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(head) = Head::parse(&self.inbox)? {
                break head;
            }
            self.read().await?;
        };
        let end = head.bytes + head.body;
        while self.inbox.len() < end {
            self.read().await?;
        }
        self.answered = end;
        Ok(Answer {
            status: head.status,
            head: &self.inbox[..head.bytes],
            body: &self.inbox[head.bytes..end],
        })
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.inbox).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Length with the empty line.
    bytes: usize,
    body: usize,
}

impl Head {
    fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).context("a head that is no text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.context("no status line")?;
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let body = match length {
            Some(length) => length,
            // These never have one.
            None if matches!(status, 204 | 304) => 0,
            None => bail!("an answer without a content length"),
        };
        Ok(Some(Self { status, bytes: end + 4, body }))
    }
}

/// The bytes of one request.
pub struct Request;

impl Request {
    #[must_use]
    pub fn get(path: &str, token: &str, headers: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{headers}\r\n")
            .into_bytes()
    }

    /// `headers` are whole lines.
    #[must_use]
    pub fn post(path: &str, token: &str, headers: &str, body: &str) -> Vec<u8> {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\netag: \"1\"\r\n\r\n{}";
        assert_eq!(Head::parse(head).unwrap(), Some(Head { status: 200, bytes: head.len() - 2, body: 2 }));
        assert_eq!(Head::parse(&head[..30]).unwrap(), None);
        let answer = Answer { status: 200, head, body: b"{}" };
        assert!(answer.has("etag") && answer.has("content-length") && !answer.has("{}"));
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
