use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, ETAG, VARY},
    },
    response::Response,
};
use bytes::Bytes;
use kernel::Position;
use projections::Page;
use serde::Serialize;
use utoipa::ToSchema;

use super::Asked;
use crate::{
    http::{Compressible, EntityTag, none_match},
    problem::Problem,
};

/// One page of a list.
#[derive(Serialize, ToSchema)]
#[schema(bound = "T: ToSchema")]
pub struct ListDocument<T> {
    pub items: Vec<T>,
    pub page: PageDocument,
    /// How far the read model was.
    pub position: Position,
    /// Some of the items could not be brought up to date; see the operators' parked events.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

impl<T> ListDocument<T> {
    #[must_use]
    pub fn of(page: Page<T>, asked: Asked, stale: bool) -> Self {
        let next_cursor = page.next_cursor.map(|cursor| asked.bind(&cursor));
        Self {
            items: page.items,
            page: PageDocument { next_cursor, has_more: page.has_more },
            position: page.position,
            stale,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Page)]
pub struct PageDocument {
    /// Opaque, exclusive; `null` on the last page.
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

/// Who may keep an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// Anybody, for a moment, and a little longer while it is asked for anew. Who asks for a position
    /// gets it: see `Vary`.
    Public,
    /// Anybody, after asking whether it is still the same.
    Revalidate,
    /// It holds something personal: nobody.
    Never,
}

fn is_anonymous(headers: &HeaderMap) -> bool {
    !headers.contains_key(AUTHORIZATION) && !headers.contains_key(COOKIE)
}

/// The answer, or 304 when the caller has it already.
///
/// # Errors
/// 500 when it does not serialise.
pub fn answer<T: Serialize>(
    headers: &HeaderMap,
    document: &T,
    tag: EntityTag,
    caching: Caching,
) -> Result<Response, Problem> {
    let body = if none_match(headers, tag) { Bytes::new() } else { json(document)? };
    Ok(written(headers, body, tag, caching))
}

fn json<T: Serialize>(document: &T) -> Result<Bytes, Problem> {
    let body = serde_json::to_vec(document).map_err(|error| {
        tracing::error!(kind = ?error.classify(), "an answer could not be written as JSON");
        Problem::internal()
    })?;
    Ok(body.into())
}

/// The answer with a body that was written before, or 304 when the caller has it already.
pub fn written(headers: &HeaderMap, body: Bytes, tag: EntityTag, caching: Caching) -> Response {
    let mut response = if none_match(headers, tag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    // An answer to nobody in particular holds nothing that could be guessed from its length.
    if caching != Caching::Never || is_anonymous(headers) {
        response.extensions_mut().insert(Compressible);
    }
    let asked_for_position = headers.contains_key("min-position");
    let headers = response.headers_mut();
    headers.insert(ETAG, tag.into());
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(match caching {
            Caching::Public if !asked_for_position => "public, max-age=1, stale-while-revalidate=10",
            Caching::Public | Caching::Revalidate => "no-cache",
            Caching::Never => "no-store",
        }),
    );
    if caching != Caching::Never {
        headers.insert(VARY, HeaderValue::from_static("min-position"));
    }
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_has_the_answer_already_gets_304_with_the_same_tag() {
        let mut headers = HeaderMap::new();
        let tag = EntityTag::Read(2, 9);
        let first = answer(&headers, &json!({}), tag, Caching::Never).unwrap();
        assert_eq!(
            (first.status(), &first.headers()[CACHE_CONTROL]),
            (StatusCode::OK, &HeaderValue::from_static("no-store"))
        );
        headers.insert("if-none-match", first.headers()[ETAG].clone());
        let second = answer(&headers, &json!({}), tag, Caching::Never).unwrap();
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(second.headers()[ETAG], "\"2-9\"");
    }
}
