use axum::{
    body::Body,
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG},
    },
    response::Response,
};
use commands::{Answer, AnswerEvent};
use kernel::{Position, Version};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::EntityTag;

/// What a command did.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandAnswer)]
pub struct AnswerDocument<'a> {
    #[schema(example = "node")]
    aggregate_type: &'a str,
    aggregate_id: Uuid,
    /// Of the aggregate, after the command.
    #[schema(example = 1)]
    version: Version,
    /// Of the last event; send it as Min-Position to read what was just written.
    #[schema(example = 42)]
    position: Position,
    /// Empty when everything was so already.
    events: Vec<AnswerEventDocument<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CommandAnswerEvent)]
pub struct AnswerEventDocument<'a> {
    event_id: Uuid,
    #[schema(example = "NodeTied")]
    r#type: &'a str,
    aggregate_type: &'a str,
    aggregate_id: Uuid,
    version: Version,
    position: Position,
}

impl<'a> From<&'a AnswerEvent> for AnswerEventDocument<'a> {
    fn from(event: &'a AnswerEvent) -> Self {
        Self {
            event_id: event.event_id,
            r#type: &event.event_type,
            aggregate_type: &event.aggregate_type,
            aggregate_id: event.aggregate_id,
            version: event.version,
            position: event.position,
        }
    }
}

/// The document as bytes.
pub(crate) fn answer_json(answer: &Answer) -> Vec<u8> {
    let document = AnswerDocument {
        aggregate_type: answer.aggregate_type.as_str(),
        aggregate_id: answer.aggregate_id,
        version: answer.version,
        position: answer.position,
        events: answer.events.iter().map(AnswerEventDocument::from).collect(),
    };
    // Strings and numbers always serialise.
    serde_json::to_vec(&document).unwrap_or_default()
}

pub(super) fn answer_response(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer_json(answer)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ETAG, EntityTag::Version(answer.version).into());
    if answer.replayed {
        let name = HeaderName::from_static("idempotency-replayed");
        headers.insert(name, HeaderValue::from_static("true"));
    }
    response
}
