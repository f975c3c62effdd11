use std::fmt;

use axum::http::{
    HeaderMap, HeaderValue,
    header::{IF_MATCH, IF_NONE_MATCH},
};
use kernel::{Position, Version};

use super::headers::single;
use crate::problem::Problem;

/// What an answer is named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityTag {
    /// Of a command's answer: the aggregate's version.
    Version(Version),
    /// Of one thing: its version, and the position it was read at.
    Read(Version, Position),
    /// Of a list: weak, the position it was read at.
    List(Position),
    /// Like [`EntityTag::Read`], of an answer that time alone changes: with the moment in
    /// milliseconds, so that a later one never passes for it.
    ReadAt(Version, Position, i64),
    /// Like [`EntityTag::List`], of an answer that time alone changes.
    ListAt(Position, i64),
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "\"{version}\""),
            Self::Read(version, position) => write!(f, "\"{version}-{position}\""),
            Self::List(position) => write!(f, "W/\"{position}\""),
            Self::ReadAt(version, position, moment) => write!(f, "\"{version}-{position}@{moment}\""),
            Self::ListAt(position, moment) => write!(f, "W/\"{position}@{moment}\""),
        }
    }
}

impl From<EntityTag> for HeaderValue {
    fn from(tag: EntityTag) -> Self {
        // Digits, a dash and quotes are always a header value.
        Self::from_str(&tag.to_string()).unwrap_or(Self::from_static("\"\""))
    }
}

/// What `If-Match` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whatever exists.
    Any,
    Version(Version),
}

/// Reads `If-Match`: `"7"` as a command answers it, `"7-123"` or `"7-123@1790000000000"` as a
/// query does, or `*`.
///
/// # Errors
/// 400
pub fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    let name = IF_MATCH.as_str();
    let bad = |detail| Problem::bad_parameter("If-Match", detail);
    let text = match single(headers, "if-match") {
        Ok(None) => return Ok(None),
        Ok(Some(value)) => value.to_str().map_err(|_| bad("Write one tag in quotes, or *."))?.trim(),
        Err(_) => return Err(bad("Send this header once only.")),
    };
    debug_assert_eq!(name, "if-match");
    if text == "*" {
        return Ok(Some(IfMatch::Any));
    }
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let (version, position) = match inner.map(|tag| tag.split_once('-').unwrap_or((tag, "0"))) {
        Some((version, read_at)) => {
            let (position, moment) = read_at.split_once('@').unwrap_or((read_at, "0"));
            (number(version), number(position).and(number(moment)))
        }
        None => (None, None),
    };
    match (version, position) {
        (Some(version), Some(_)) => Ok(Some(IfMatch::Version(version))),
        _ => Err(bad("Write one tag in quotes as an ETag gave it, for example \"7\", or *.")),
    }
}

fn number(text: &str) -> Option<i64> {
    let plain = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    // One tag has one spelling.
    let padded = text.len() > 1 && text.starts_with('0');
    (plain && !padded).then(|| text.parse().ok()).flatten()
}

/// Whether `If-None-Match` names this very answer (304). Compared weakly, as RFC 9110 says.
#[must_use]
pub fn none_match(headers: &HeaderMap, tag: EntityTag) -> bool {
    let tag = tag.to_string();
    let opaque = tag.trim_start_matches("W/");
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == opaque)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn if_match_reads_the_version_of_both_kinds_of_tags() {
        let read = |values: &[&str]| if_match(&with("if-match", values));
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["*"]).unwrap(), Some(IfMatch::Any));
        assert_eq!(read(&["\"7\""]).unwrap(), Some(IfMatch::Version(7)));
        assert_eq!(read(&["\"7-123\""]).unwrap(), Some(IfMatch::Version(7)));
        let faded = EntityTag::ReadAt(7, 123, 1_790_000_000_000).to_string();
        assert_eq!(read(&[&faded]).unwrap(), Some(IfMatch::Version(7)));
        for bad in [
            &["7"][..],
            &["\"\""],
            &["\"01\""],
            &["\"7-01\""],
            &["\"x\""],
            &["\"7-\""],
            &["\"-1\""],
            &["\"7-1-2\""],
            &["\"7@1\""],
            &["\"7-1@\""],
            &["W/\"7\""],
            &["\"7\", \"8\""],
            &["\"7\"", "\"8\""],
            &["\"99999999999999999999\""],
        ] {
            assert_eq!(read(bad).unwrap_err().status(), 400, "{bad:?}");
        }
    }

    #[test]
    fn if_none_match_compares_the_whole_tag() {
        let tag = EntityTag::Read(7, 123);
        assert!(none_match(&with("if-none-match", &["\"7-123\""]), tag));
        assert!(none_match(&with("if-none-match", &["\"1\", W/\"7-123\""]), tag));
        assert!(none_match(&with("if-none-match", &["*"]), tag));
        assert!(!none_match(&with("if-none-match", &["\"7-124\"", "\"7\""]), tag));
        assert!(none_match(&with("if-none-match", &["W/\"9\""]), EntityTag::List(9)));
        let now = EntityTag::ReadAt(7, 123, 5);
        assert!(none_match(&with("if-none-match", &["\"7-123@5\""]), now));
        assert!(!none_match(&with("if-none-match", &["\"7-123\"", "\"7-123@4\""]), now));
    }
}
