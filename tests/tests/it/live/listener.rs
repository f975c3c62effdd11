use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::support::Api;

/// One `EventSource`, as far as its bytes go.
pub struct Listener {
    response: Response,
    buffer: Vec<u8>,
    /// The last `id`, with or without data.
    pub id: Option<i64>,
    pub retry: Option<u64>,
    pub over: bool,
}

/// How long a test waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

impl Listener {
    /// Listens; `after` is what a browser sends when it comes back.
    pub async fn open(api: &Api, query: &str, token: &str, after: Option<i64>) -> Self {
        let mut request = api.request(Method::GET, &format!("/v1/live{query}")).timeout(PATIENCE * 10);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: Vec::new(), id: None, retry: None, over: false }
    }

    /// The next event; `None` when the stream is over.
    pub async fn next(&mut self) -> Option<Value> {
        timeout(PATIENCE, self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                if let Some(event) = self.take(&block) {
                    return Some(event);
                }
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.buffer.extend_from_slice(&bytes),
                Ok(None) | Err(_) => {
                    self.over = true;
                    return None;
                }
            }
        }
    }

    fn take(&mut self, block: &str) -> Option<Value> {
        let mut data = None;
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.id = Some(id.parse().unwrap()),
                Some(("retry", pause)) => self.retry = Some(pause.parse().unwrap()),
                Some(("data", json)) => data = Some(serde_json::from_str(json).unwrap()),
                _ => assert!(line.is_empty() || line.starts_with(':'), "{line}"),
            }
        }
        data
    }

    /// Events up to the one at this position.
    pub async fn until(&mut self, position: i64) -> Vec<Value> {
        let mut events = vec![];
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("over before {position}: {events:?}"));
            let at = event["position"].as_i64().unwrap();
            assert!(at <= position, "{event} after {events:?}");
            events.push(event);
            if at == position {
                return events;
            }
        }
    }

    /// Whatever comes until the stream is over.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut events = vec![];
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

pub fn positions(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["position"].as_i64().unwrap()).collect()
}
