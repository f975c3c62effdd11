use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A server that has nothing to say but what was recorded.
pub struct Replayed {
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    asked: Vec<Asked>,
}

pub struct Answer {
    status: u16,
    content_type: String,
    body: String,
}

/// What an adapter sent.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    /// In lower case, a line each.
    pub headers: String,
    pub body: String,
}

impl Asked {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// An answer as it was recorded.
pub fn recorded(name: &str) -> Answer {
    recorded_with(name, |_| {})
}

/// A recording with something else in its body, for what nobody could record.
pub fn recorded_with(name: &str, change: impl Fn(&mut String)) -> Answer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire").join(format!("{name}.json"));
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let response = &case["response"];
    let headers = response["headers"].as_array().unwrap();
    let content_type = headers.iter().find(|header| header[0] == "content-type").unwrap();
    let mut body = response["body"].as_str().unwrap().to_owned();
    change(&mut body);
    Answer {
        status: response["status"].as_u64().unwrap() as u16,
        content_type: content_type[1].as_str().unwrap().to_owned(),
        body,
    }
}

/// An answer about documents of ours, which no recording holds.
pub fn made(status: u16, body: &Value) -> Answer {
    Answer { status, content_type: "application/json; charset=utf-8".to_owned(), body: body.to_string() }
}

impl Replayed {
    pub async fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { answers: answers.into_iter().collect(), asked: vec![] }));
        let server = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &server).await;
            }
        });
        Self { url, state }
    }

    /// Everything that was asked; every answer has to be used by then.
    pub fn asked(&self) -> Vec<Asked> {
        let state = self.state.lock().unwrap();
        assert!(state.answers.is_empty(), "{} answers were not asked for", state.answers.len());
        state.asked.clone()
    }
}

/// One request per connection.
async fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let (first, headers) = text.split_once("\r\n").unwrap();
    let headers = headers.to_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    let mut body = bytes[head + 4..].to_vec();
    while body.len() < length {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "the body ends early");
        body.extend_from_slice(&part[..read]);
    }
    let mut words = first.split(' ');
    let asked = Asked {
        method: words.next().unwrap().to_owned(),
        path: words.next().unwrap().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    };
    let answer = {
        let mut state = state.lock().unwrap();
        let line = asked.line();
        state.asked.push(asked);
        // The adapter shows this text in no message; the test sees the request in the list.
        state
            .answers
            .pop_front()
            .unwrap_or_else(|| made(400, &Value::String(format!("nobody expected {line}"))))
    };
    let Answer { status, content_type, body } = answer;
    let text = format!(
        "HTTP/1.1 {status} Recorded\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
}
