use std::{borrow::Cow, error::Error};

use projections::BadCursor;
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

/// `cursor`, read by the list that made it.
///
/// # Errors
/// 400
pub fn cursor<C>(
    params: &Params<'_>,
    parse: impl FnOnce(&str) -> Result<C, BadCursor>,
) -> Result<Option<C>, Problem> {
    let cursor = params.get("cursor").map(parse).transpose();
    cursor.map_err(|error| Problem::bad_parameter("cursor", sentence(&error)))
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
