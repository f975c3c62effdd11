use kernel::Position;
use serde::{Deserialize, Serialize};

use crate::{
    search::outside::{
        EngineError, Tell,
        document::{Document, MARK},
    },
    weave::LatLon,
};

/// A document with its place as Typesense writes one.
#[derive(Serialize)]
pub(super) struct Sent<'a> {
    #[serde(flatten)]
    document: &'a Document,
    #[serde(skip_serializing_if = "Option::is_none")]
    point: Option<[f64; 2]>,
}

impl<'a> Sent<'a> {
    pub fn of(document: &'a Document) -> Self {
        Self { document, point: document.point.map(|LatLon { lat, lon }| [lat, lon]) }
    }
}

pub(super) fn push(body: &mut String, document: &impl Serialize) {
    // Plain strings, numbers and lists: nothing in them fails to serialise. An empty line would
    // have no verdict, and the count would tell.
    body.push_str(&serde_json::to_string(document).unwrap_or_default());
    body.push('\n');
}

/// One line of an export.
pub(super) fn tell_of(line: &[u8], tell: Tell<'_>) -> Result<(), EngineError> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let document: Exported = serde_json::from_slice(line)
        .map_err(|_| EngineError::Answer("a document without id and position"))?;
    if document.id != MARK {
        // Another id is nobody's of ours: nil is no node either.
        tell(document.id.parse().unwrap_or_default(), document._pos);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Exported {
    id: String,
    #[serde(default)]
    _pos: Position,
}
