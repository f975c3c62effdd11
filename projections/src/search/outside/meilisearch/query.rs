use meilisearch_sdk::search::SearchResults;
use serde::Deserialize;

use crate::{
    search::{
        Hit, SearchQuery,
        outside::{
            EngineError, Mark,
            document::{EVERYBODY, MarkDocument, StoredNode, key, owner_key},
        },
    },
    weave::node::NodeShape,
};

/// Titles of one look for suggestions.
pub(super) const TITLES: usize = 100;

pub(super) fn filter(query: &SearchQuery) -> String {
    let mut filters = vec![match query.viewer {
        Some(viewer) => format!("seen_by IN [{EVERYBODY}, \"{}\"]", owner_key(viewer)),
        None => format!("seen_by = {EVERYBODY}"),
    }];
    for (field, labels) in [("kind_key", &query.kinds), ("tag_keys", &query.tags)] {
        if !labels.is_empty() {
            let keys: Vec<String> = labels.iter().map(|label| format!("\"{}\"", key(label))).collect();
            filters.push(format!("{field} IN [{}]", keys.join(", ")));
        }
    }
    filters.join(" AND ")
}

pub(super) fn sort(query: &SearchQuery) -> Option<String> {
    query.near.map(|near| format!("_geoPoint({}, {}):asc", near.lat, near.lon))
}

/// Any of our documents, as far as a search shows it.
#[derive(Deserialize)]
pub(super) struct Found {
    #[serde(flatten)]
    mark: Option<MarkDocument>,
    node: Option<StoredNode>,
    title: Option<String>,
}

/// The mark, and the results of the other search.
pub(super) fn split(results: Vec<SearchResults<Found>>) -> Result<(Mark, SearchResults<Found>), EngineError> {
    let Ok([marks, found]) = <[SearchResults<Found>; 2]>::try_from(results) else {
        return Err(EngineError::Answer("another number of results"));
    };
    let mark = marks.hits.first().and_then(|hit| hit.result.mark.as_ref()).and_then(MarkDocument::read);
    Ok((mark.ok_or(EngineError::Missing)?, found))
}

pub(super) fn hits(found: SearchResults<Found>) -> Vec<Hit> {
    let hits = found.hits.into_iter();
    hits.filter_map(|hit| {
        let node = NodeShape::from(hit.result.node?);
        Some(Hit { node, score: hit.ranking_score.unwrap_or_default() })
    })
    .collect()
}

pub(super) fn titles(found: SearchResults<Found>) -> Vec<String> {
    found.hits.into_iter().filter_map(|hit| hit.result.title).collect()
}
