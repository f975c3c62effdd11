use std::time::Duration;

use axum::{
    body::Body,
    http::{
        HeaderMap,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::problem::Problem;

/// Largest body. The longest node (20,000 characters of four bytes and 32 tags) fits twice.
pub const MAX_BODY: usize = 256 * 1024;
/// How long a body may take: a slow sender must not hold a connection for ever.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Whether the request announces a body that is too large.
#[must_use]
pub fn oversized(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > MAX_BODY as u64)
}

/// Reads the whole body.
///
/// # Errors
/// 413, 408, or 400 when the connection broke.
pub async fn read_body(body: Body) -> Result<Bytes, Problem> {
    let collected = timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::body_too_large()),
        Ok(Err(_)) => Err(Problem::malformed_body("The body ended too early.")),
        Err(_) => Err(Problem::body_timeout()),
    }
}

/// `application/json`, with any parameters, exactly once.
#[must_use]
pub fn has_json_type(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else { return false };
    let media = first.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_has_at_most_256_kib() {
        assert_eq!(read_body(Body::from(vec![b' '; MAX_BODY])).await.unwrap().len(), MAX_BODY);
        assert_eq!(read_body(Body::from(vec![b' '; MAX_BODY + 1])).await.unwrap_err().status(), 413);
    }

    #[test]
    fn only_json_is_json() {
        let with = |types: &[&str]| {
            let mut headers = HeaderMap::new();
            for media in types {
                headers.append(CONTENT_TYPE, media.parse().unwrap());
            }
            has_json_type(&headers)
        };
        assert!(with(&["application/json"]) && with(&["Application/JSON; charset=utf-8"]));
        assert!(!with(&[]) && !with(&["text/plain"]) && !with(&["application/jsonx"]));
        assert!(!with(&["application/json", "text/plain"]));
    }
}
