//! How a connection begins and ends.

use std::time::Duration;

use axum::{
    extract::ws::{CloseFrame, Message, WebSocket},
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION},
};
use tokio::time::timeout;

use super::frames::{Said, read};
use crate::{app::App, auth::Identity};

/// Codes of our own in closing frames; the rest are those of RFC 6455.
pub(super) mod code {
    pub const GOING: u16 = 1012;
    pub const POLICY: u16 = 1008;
    pub const TOO_BIG: u16 = 1009;
    pub const UNAUTHORISED: u16 = 4401;
    pub const IDLE: u16 = 4408;
    pub const TOO_MANY: u16 = 4429;
}

/// Why it ends: what is said last, or nothing when nobody would hear it.
pub(super) struct End(pub Option<(u16, &'static str)>);

impl End {
    pub const SILENT: Self = Self(None);

    pub const fn saying(code: u16, reason: &'static str) -> Self {
        Self(Some((code, reason)))
    }
}

/// How long the first frame may take.
const FIRST: Duration = Duration::from_secs(5);

/// The token in the first frame; `headers` then have it, for later.
pub(super) async fn first(
    app: &App,
    socket: &mut WebSocket,
    headers: &mut HeaderMap,
) -> Result<Identity, End> {
    let refused = || End::saying(code::UNAUTHORISED, "the first frame is {\"type\":\"auth\",\"token\":…}");
    let message = match timeout(FIRST, socket.recv()).await {
        Ok(Some(Ok(Message::Text(text)))) => text,
        Ok(Some(Err(error))) if is_too_big(&error) => {
            return Err(End::saying(code::TOO_BIG, "a frame has at most 64 KiB"));
        }
        Ok(Some(Err(_)) | None) => return Err(End::SILENT),
        Ok(Some(Ok(_))) | Err(_) => return Err(refused()),
    };
    let Ok(Said::Auth { token }) = read(&message) else { return Err(refused()) };
    let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| refused())?;
    headers.insert(AUTHORIZATION, value);
    app.verifier.identity(headers).map_err(|_| refused())
}

/// tungstenite's error for a frame or message beyond the limit; axum shows it as text only.
pub(super) fn is_too_big(error: &axum::Error) -> bool {
    error.to_string().contains("too long")
}

pub(super) async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    // Who does not take it will see the connection end.
    let _ = timeout(Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await;
    // The other side closes; what it had sent before is read, or the kernel would take back ours.
    let _ = timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
}
