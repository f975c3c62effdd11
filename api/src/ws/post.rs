use axum::http::{HeaderMap, HeaderValue, Request, request::Parts};
use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::frames::raw;
use crate::{
    app::App,
    auth::Identity,
    command::{answer_json, carry_out},
    http::idempotency_key,
    problem::Problem,
    weave::messages::PostMessage,
};

/// Exactly what `POST /v1/messages/{id}/post` does: the same key gets the same answer, whichever way
/// it comes.
pub(super) async fn post(
    app: &App,
    identity: Identity,
    headers: &HeaderMap,
    message: Uuid,
    body: &serde_json::Value,
    key: Option<String>,
) -> Result<(bool, Box<RawValue>), Problem> {
    let mut request = Request::post(format!("/v1/messages/{message}/post"));
    if let Some(key) = key {
        let value = HeaderValue::from_str(&key).map_err(|_| {
            Problem::bad_parameter("/idempotency_key", "A key has 1 to 128 printable ASCII characters.")
        })?;
        request = request.header("idempotency-key", value);
    }
    if let Some(trace) = headers.get("traceparent") {
        request = request.header("traceparent", trace);
    }
    // A path with a UUID in it is a path.
    let (parts, ()): (Parts, ()) = request.body(()).map_err(|_| Problem::internal())?.into_parts();
    idempotency_key(&parts.headers)?;
    let body = Bytes::from(body.to_string());
    let answer = carry_out::<PostMessage>(app, &parts, identity, &body).await?;
    Ok((answer.replayed, raw(answer_json(&answer))))
}
