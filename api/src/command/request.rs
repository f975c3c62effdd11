use axum::http::{HeaderMap, request::Parts};
use bytes::Bytes;
use commands::{Caller, CommandRequest, Idempotency};
use eventstore::canonical::canonical_text;
use kernel::Version;
use uuid::Uuid;

use crate::{
    auth::Identity,
    http::{IfMatch, correlation, idempotency_key, if_match},
    problem::Problem,
};

/// Reads everything of a command but its body.
///
/// # Errors
/// 400
pub(crate) fn command_request(
    parts: &Parts,
    identity: Identity,
    body: &Bytes,
    creates: bool,
) -> Result<CommandRequest, Problem> {
    let aggregate_id = path_id(parts, 3, "id")?;
    let if_match = if_match(&parts.headers)?;
    let idempotency = match idempotency_key(&parts.headers)? {
        None => None,
        Some(key) => Some(Idempotency { key, fingerprint: fingerprint(parts, aggregate_id, body)? }),
    };
    let command_id = Uuid::now_v7();
    Ok(CommandRequest {
        caller: Caller::Account { id: identity.account, platform: identity.roles },
        aggregate_id,
        idempotency,
        if_match: if_match.and_then(|asked| version(asked, creates)),
        command_id,
        correlation_id: command_id,
        causation_id: command_id,
        traceparent: correlation(&parts.headers),
    })
}

/// `*` asks that the aggregate exists, which every command but a creating one does anyway. One
/// that creates finds nothing, and no version is ever this high: 412.
fn version(asked: IfMatch, creates: bool) -> Option<Version> {
    match asked {
        IfMatch::Version(version) => Some(version),
        IfMatch::Any => creates.then_some(Version::MAX),
    }
}

/// The id at a place of a path: in `/v1/{collection}/{id}/{command}` the third.
pub(crate) fn path_id(parts: &Parts, place: usize, name: &'static str) -> Result<Uuid, Problem> {
    let id = parts.uri.path().split('/').nth(place).and_then(parse_id);
    id.ok_or_else(|| Problem::bad_parameter(name, "The id in the path is not a UUID."))
}

/// The one spelling with hyphens; others would give one thing several addresses.
pub(crate) fn parse_id(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// What makes two requests the same. Spelling does not: the id is normalised, the body canonical.
fn fingerprint(parts: &Parts, id: Uuid, body: &Bytes) -> Result<String, Problem> {
    let body = match std::str::from_utf8(body) {
        Ok("") => "{}".to_owned(),
        // What has no canonical form (NUL in a text) breaks a rule of its field, and the answer
        // must be the same with and without a key.
        Ok(text) => canonical_text(text).unwrap_or_else(|_| text.to_owned()),
        // It was read as JSON before, so it is UTF-8.
        Err(_) => return Err(Problem::malformed_body("The body is not UTF-8.")),
    };
    let mut segments = parts.uri.path().split('/').skip(2);
    let collection = segments.next().unwrap_or_default();
    let command = segments.nth(1).unwrap_or_default();
    let if_match = header_text(&parts.headers);
    Ok(format!("{} /v1/{collection}/{id}/{command}\n{body}\n{if_match}", parts.method))
}

fn header_text(headers: &HeaderMap) -> &str {
    headers.get("if-match").and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use domain::PlatformRoles;

    use super::*;

    const ID: &str = "01920000-0000-7000-8000-00000000000A";

    fn read(id: &str, body: &'static str, tag: Option<&str>) -> Result<CommandRequest, Problem> {
        let mut request = Request::post(format!("/v1/nodes/{id}/tie")).header("Idempotency-Key", "k");
        if let Some(tag) = tag {
            request = request.header("If-Match", tag);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let identity = Identity { account: Uuid::nil(), roles: PlatformRoles::default() };
        command_request(&parts, identity, &Bytes::from_static(body.as_bytes()), true)
    }

    fn print(id: &str, body: &'static str, tag: Option<&str>) -> String {
        read(id, body, tag).unwrap().idempotency.unwrap().fingerprint
    }

    #[test]
    fn spelling_does_not_change_the_fingerprint_but_meaning_does() {
        let first = print(ID, r#"{"a": 1, "b": 2.0}"#, None);
        assert_eq!(first, print(&ID.to_lowercase(), r#"{"b":2,"a":1}"#, None));
        assert_ne!(first, print(ID, r#"{"b":2,"a":2}"#, None));
        assert_ne!(first, print(ID, r#"{"b":2,"a":1}"#, Some("\"1\"")));
        assert_eq!(print(ID, "", None), print(ID, "{}", None));
    }

    #[test]
    fn an_id_is_a_uuid_in_one_spelling() {
        for bad in ["1", "0192000000007000800000000000000a", "{01920000-0000-7000-8000-00000000000a}"] {
            assert_eq!(read(bad, "", None).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn a_star_on_a_creating_command_never_matches() {
        assert_eq!(read(ID, "", Some("*")).unwrap().if_match, Some(Version::MAX));
        assert_eq!(read(ID, "", Some("\"7-12\"")).unwrap().if_match, Some(7));
        assert_eq!(version(IfMatch::Any, false), None);
    }
}
