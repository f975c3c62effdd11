use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::listener::PATIENCE;
use crate::support::Api;

/// One WebSocket.
pub struct Talker {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The code it was closed with.
    pub closed: Option<u16>,
}

impl Talker {
    /// # Errors
    /// The status of a handshake that was refused.
    pub async fn try_open(api: &Api, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let url = format!("{}/v1/ws", api.url.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, closed: None }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// With the token in the header; past `ready`.
    pub async fn open(api: &Api, token: &str) -> Self {
        let mut talker = Self::try_open(api, &[("authorization", &format!("Bearer {token}"))]).await.unwrap();
        assert_eq!(talker.next().await.unwrap()["type"], "ready");
        talker
    }

    pub async fn say(&mut self, frame: &Value) {
        self.socket.send(Message::Text(frame.to_string().into())).await.unwrap();
    }

    /// The next frame of text; `None` when it is closed.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE * 2, self.socket.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    self.closed = frame.map(|frame| frame.code.into());
                    return None;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next frame of this type; others are passed over.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|| panic!("closed ({:?}) before {kind}", self.closed));
            if frame["type"] == kind {
                return frame;
            }
        }
    }
}
