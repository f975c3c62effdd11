use std::borrow::Cow;

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Start of every problem type; the code follows. Stable: clients compare it.
pub const TYPE_PREFIX: &str = "urn:weltgewebe:problem:";

/// An error on its way to the caller. Small, so that `Result`s stay small.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after_s: Option<u32>,
    allow: Option<HeaderValue>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the request's body, or the name of a query parameter or header.
    #[schema(example = "/title")]
    pub pointer: Cow<'static, str>,
    #[schema(example = "too-long")]
    pub code: &'static str,
    #[schema(example = "The text is longer than 200 characters.")]
    pub detail: Cow<'static, str>,
}

/// The document (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct ProblemDocument<'a> {
    /// Stable; `urn:weltgewebe:problem:` and the code.
    #[schema(example = "urn:weltgewebe:problem:not-found")]
    r#type: String,
    /// The type in words.
    #[schema(example = "Not found")]
    title: String,
    /// The HTTP status again.
    #[schema(example = 404)]
    status: u16,
    /// One sentence about this occurrence.
    detail: &'a str,
    /// Which fields are to blame, where some are.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// `code` in kebab-case; `detail` one sentence without internals.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self(Box::new(Parts { status, code, detail, errors: vec![], retry_after_s: None, allow: None }))
    }

    /// Blames one field; its sentence is the problem's.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<Cow<'static, str>>) -> Self {
        let (code, detail) = (self.0.code, self.0.detail.clone());
        self.0.errors.push(FieldError { pointer: pointer.into(), code, detail });
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    #[must_use]
    pub fn allowing(mut self, methods: HeaderValue) -> Self {
        self.0.allow = Some(methods);
        self
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The document as bytes. Strings and numbers always serialise; an empty body would still
    /// carry the status.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.document()).unwrap_or_default()
    }

    fn document(&self) -> ProblemDocument<'_> {
        let Parts { status, code, detail, errors, .. } = &*self.0;
        let mut title = code.replace('-', " ");
        // Codes are ASCII, so the first byte is the first letter.
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        ProblemDocument {
            r#type: format!("{TYPE_PREFIX}{code}"),
            title,
            status: status.as_u16(),
            detail,
            errors,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.0.allow {
            headers.insert(ALLOW, methods);
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(r#"Bearer realm="weltgewebe""#);
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_problem_is_an_rfc_9457_document() {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-long", "The text is too long.");
        let response = problem.at("/title").into_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
            json!({"type": "urn:weltgewebe:problem:too-long", "title": "Too long", "status": 422,
                   "detail": "The text is too long.",
                   "errors": [{"pointer": "/title", "code": "too-long", "detail": "The text is too long."}]})
        );
    }

    #[test]
    fn who_is_unknown_is_told_how_to_log_in_and_who_may_retry_when() {
        let response = Problem::unauthorised("x").into_response();
        assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
        assert_eq!(Problem::overload().into_response().headers()[RETRY_AFTER], "1");
    }
}
