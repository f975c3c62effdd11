use kernel::Position;
use serde::{Deserialize, Serialize};

use crate::{
    search::outside::document::{Document, MarkDocument},
    weave::LatLon,
};

/// A document with its place as Meilisearch writes one.
#[derive(Serialize, Clone, Copy)]
pub(super) struct Sent<'a> {
    #[serde(flatten)]
    document: &'a Document,
    #[serde(skip_serializing_if = "Option::is_none")]
    _geo: Option<Geo>,
}

/// What a bulk is made of.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Put<'a> {
    Node(&'a Sent<'a>),
    Mark(&'a MarkDocument),
}

#[derive(Serialize, Clone, Copy)]
struct Geo {
    lat: f64,
    lng: f64,
}

impl<'a> Sent<'a> {
    pub fn of(document: &'a Document) -> Self {
        Self { document, _geo: document.point.map(|LatLon { lat, lon }| Geo { lat, lng: lon }) }
    }
}

/// A document of a list.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub id: String,
    #[serde(default)]
    pub _pos: Position,
}
