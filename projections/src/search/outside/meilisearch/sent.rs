use serde::Serialize;

use crate::{search::outside::document::Document, weave::LatLon};

/// A document with its place as Meilisearch writes one.
#[derive(Serialize, Clone, Copy)]
pub(super) struct Sent<'a> {
    #[serde(flatten)]
    document: &'a Document,
    #[serde(skip_serializing_if = "Option::is_none")]
    _geo: Option<Geo>,
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
