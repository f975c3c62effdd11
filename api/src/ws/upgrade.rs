use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    http::StatusCode,
    response::Response,
};

use super::{
    origin,
    session::{Opening, Session},
};
use crate::{
    app::Shared,
    http::{Params, Seat},
    problem::Problem,
};

/// Largest frame, and largest message of several frames.
const LARGEST: usize = 64 * 1024;
/// What is read at once from one connection: each has this much memory while it is open.
const READ_BUFFER: usize = 4 * 1024;
/// What may wait to be written. A frame of ours has at most some 20 KiB.
const WRITE_BUFFER: usize = 256 * 1024;

/// `GET /v1/ws`: a WebSocket for conversations. The token comes in the Authorization header or in
/// the first frame.
pub async fn ws(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    Params::parse(parts.uri.query(), &[])?;
    let live = app.live.clone().ok_or_else(Problem::unavailable)?;
    origin::check(&parts.headers, &live.origins)?;
    let identity = app.verifier.identity_if_any(&parts.headers)?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let upgrade = upgrade.map_err(|_| {
        let detail = "This path speaks WebSocket (RFC 6455, version 13); ask for an upgrade.";
        Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade-required", detail)
    })?;
    let place = live.talkers.place(identity.map(|identity| identity.account))?;
    let seat = parts.extensions.get::<Seat>().cloned();
    if let Some(seat) = &seat {
        seat.keep();
    }
    let cut = seat.map(|seat| seat.cut().clone()).unwrap_or_default();
    let tracked = live.tasks.token();
    let opening = Opening { app: Arc::clone(&app), live, headers: parts.headers, identity, place, cut };
    let upgrade = upgrade
        .max_frame_size(LARGEST)
        .max_message_size(LARGEST)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _tracked = tracked;
        Session::run(opening, socket).await;
    }))
}
