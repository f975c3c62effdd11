use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode};

use super::Problem;

/// The problems the edge itself finds; those of the domain carry their own codes.
impl Problem {
    #[must_use]
    pub fn unknown_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown-route", "There is nothing at this path.")
    }

    #[must_use]
    pub fn not_found(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    #[must_use]
    pub fn method_not_allowed(allow: HeaderValue) -> Self {
        let detail = "This path does not know the method; see Allow.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).allowing(allow)
    }

    #[must_use]
    pub fn body_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "A body has at most 256 KiB.")
    }

    #[must_use]
    pub fn body_timeout() -> Self {
        let detail = "The body did not arrive within 10 seconds.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", detail)
    }

    #[must_use]
    pub fn unauthorised(detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorised", detail)
    }

    #[must_use]
    pub fn forbidden_role(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "missing-role", detail)
    }

    #[must_use]
    pub fn no_query_here() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-parameter", "A command takes no query parameters.")
    }

    #[must_use]
    pub fn unsupported_media_type() -> Self {
        let detail = "A body is JSON: send Content-Type: application/json.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    }

    /// A header, path part or query parameter that cannot be read.
    pub fn bad_parameter(name: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-parameter", detail).at(name)
    }

    pub fn malformed_body(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-body", detail)
    }

    #[must_use]
    pub fn overload() -> Self {
        let detail = "Too many requests are waiting; nothing was done.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overload", detail).retry_after(1)
    }

    #[must_use]
    pub fn outcome_unknown() -> Self {
        let detail = "The outcome is unknown; the same request with the same Idempotency-Key settles it.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", detail).retry_after(1)
    }

    /// A part of the system is away; the cause is in the log.
    #[must_use]
    pub fn unavailable() -> Self {
        // Not "nothing was done": an earlier try with the same key may have gone through.
        let detail = "A part of the system is away; send the same request again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(5)
    }

    #[must_use]
    pub fn not_caught_up() -> Self {
        let detail = "The read model has not reached this position yet.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-caught-up", detail).retry_after(1)
    }

    #[must_use]
    pub fn position_lost() -> Self {
        let detail = "This position was lost in a failover; read again without Min-Position.";
        Self::new(StatusCode::CONFLICT, "position-lost", detail)
    }

    /// A defect of ours. The cause is in the log, never in the answer.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "Something went wrong on our side.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}
