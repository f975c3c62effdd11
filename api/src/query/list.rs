use std::{borrow::Cow, error::Error};

use axum::http::{Uri, request::Parts};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use projections::BadCursor;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{command::parse_id, http::Params, problem::Problem};

/// `limit` of a list that is no map: 1 to 100, 20 when absent.
///
/// # Errors
/// 400
pub fn limit(params: &Params<'_>) -> Result<u16, Problem> {
    let limit = params.number("limit", 1..=i64::from(projections::MAX_LIST))?.unwrap_or(20);
    u16::try_from(limit).map_err(|_| Problem::internal())
}

/// A parameter that is an id.
///
/// # Errors
/// 400
pub fn id(params: &Params<'_>, name: &'static str) -> Result<Option<Uuid>, Problem> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let id = parse_id(text).ok_or_else(|| Problem::bad_parameter(name, "Write a UUID with hyphens."))?;
    Ok(Some(id))
}

/// What a list is asked for: path and filters, whatever the size of the page. Its cursors carry it,
/// because a place in one list, taken for a place in another, would skip items without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked([u8; 6]);

impl Asked {
    #[must_use]
    pub fn of(parts: &Parts, params: &Params<'_>) -> Self {
        Self::of_uri(&parts.uri, params)
    }

    fn of_uri(uri: &Uri, params: &Params<'_>) -> Self {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            // With their lengths, so that no two questions run together to the same text.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        add(uri.path());
        for (name, value) in params.sorted().filter(|(name, _)| !["cursor", "limit"].contains(name)) {
            add(name);
            add(value);
        }
        let mut short = [0; 6];
        short.copy_from_slice(&hash.finalize()[..6]);
        Self(short)
    }

    /// `cursor`, made by this very question.
    ///
    /// # Errors
    /// 400
    pub fn cursor<C>(
        &self,
        params: &Params<'_>,
        parse: impl FnOnce(&str) -> Result<C, BadCursor>,
    ) -> Result<Option<C>, Problem> {
        let Some(text) = params.get("cursor") else { return Ok(None) };
        let place = match text.rsplit_once('.') {
            Some((place, asked)) if asked == self.text() => parse(place),
            _ => Err(BadCursor),
        };
        place.map(Some).map_err(|error| Problem::bad_parameter("cursor", sentence(&error)))
    }

    /// The cursor of the next page as a client gets it.
    pub(super) fn bind(&self, cursor: &str) -> String {
        format!("{cursor}.{}", self.text())
    }

    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// The error's words as a sentence; they name forms, never values.
pub fn sentence(error: &dyn Error) -> Cow<'static, str> {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text.into()
}

#[cfg(test)]
mod tests {
    use projections::PositionCursor;

    use super::*;

    const KNOWN: [&str; 5] = ["q", "kind", "tag", "limit", "cursor"];

    fn asked(uri: &str) -> Asked {
        let uri: Uri = uri.parse().unwrap();
        Asked::of_uri(&uri, &Params::parse(uri.query(), &KNOWN).unwrap())
    }

    fn go_on(uri: &str, cursor: &str) -> Result<Option<PositionCursor>, Problem> {
        let uri: Uri = format!("{uri}cursor={cursor}").parse().unwrap();
        let params = Params::parse(uri.query(), &KNOWN).unwrap();
        Asked::of_uri(&uri, &params).cursor(&params, PositionCursor::parse)
    }

    #[test]
    fn a_cursor_goes_on_with_its_own_question_only() {
        let cursor = asked("/v1/a?kind=x&tag=y&limit=1").bind(&PositionCursor(17).to_string());
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        for same in ["/v1/a?kind=x&tag=y&limit=1&", "/v1/a?tag=y&kind=x&limit=50&", "/v1/a?kind=x&tag=%79&"] {
            assert_eq!(go_on(same, &cursor).unwrap(), Some(PositionCursor(17)), "{same}");
        }
        for other in [
            "/v1/b?kind=x&tag=y&",
            "/v1/a?kind=x&",
            "/v1/a?kind=y&tag=x&",
            "/v1/a?kind=x&tag=y&q=z&",
            "/v1/a?kind=xtag&tag=y&",
            "/v1/a?",
        ] {
            assert_eq!(go_on(other, &cursor).unwrap_err().status(), 400, "{other}");
        }
        let bare = PositionCursor(17).to_string();
        for bad in [&bare, "", ".", &format!("{bare}."), &cursor[1..]] {
            assert_eq!(go_on("/v1/a?kind=x&tag=y&", bad).unwrap_err().status(), 400, "{bad}");
        }
    }
}
