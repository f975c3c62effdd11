use serde::Deserialize;
use serde_json::Value;
use typesense_codegen::models::{MultiSearchCollectionParameters, MultiSearchSearchesParameter};

use super::{answer::of_status, schema::NAMES};
use crate::{
    search::{
        Hit, SearchQuery,
        outside::{
            EngineError, Mark,
            document::{EVERYBODY, MARK, MarkDocument, StoredNode, key, owner_key},
            engine::one_more,
        },
    },
    weave::node::NodeShape,
};

/// Titles of one look for suggestions.
const TITLES: i32 = 100;

type Search<'a> = MultiSearchCollectionParameters<'a>;

/// The mark and the hits, in one request: the searches of a request are made in its order, so the
/// mark is not younger than the hits.
pub(super) fn with_mark<'a>(alias: &'a str, search: Search<'a>) -> MultiSearchSearchesParameter<'a> {
    let mark = Search {
        collection: Some(alias.into()),
        q: Some("*".into()),
        filter_by: Some(format!("id:={MARK}").into()),
        include_fields: Some("_pos,mark".into()),
        per_page: Some(1),
        ..Search::default()
    };
    MultiSearchSearchesParameter::new(vec![mark, search])
}

pub(super) fn search<'a>(alias: &'a str, query: &SearchQuery, words: &[String], skip: u32) -> Search<'a> {
    let mut filters = vec![match query.viewer {
        Some(viewer) => format!("seen_by:=[{EVERYBODY},{}]", owner_key(viewer)),
        None => format!("seen_by:={EVERYBODY}"),
    }];
    for (field, labels) in [("kind_key", &query.kinds), ("tag_keys", &query.tags)] {
        if !labels.is_empty() {
            let keys: Vec<String> = labels.iter().map(|label| key(label)).collect();
            filters.push(format!("{field}:=[{}]", keys.join(",")));
        }
    }
    let order = match query.near {
        // A node without a place is last.
        Some(near) => format!("point({},{}):asc,_text_match:desc,_pos:desc", near.lat, near.lon),
        None => "_text_match:desc,_pos:desc".to_owned(),
    };
    Search {
        collection: Some(alias.into()),
        q: Some(words.join(" ").into()),
        query_by: Some(format!("{},ends,summary_words,rest", NAMES.join(",")).into()),
        query_by_weights: Some("10,6,3,3,1".into()),
        prefix: Some("true,true,true,true,true".into()),
        num_typos: Some("2,2,0,0,0".into()),
        min_len_1typo: Some(5),
        min_len_2typo: Some(8),
        // Every word has to be found; a typing error is looked for where nobody wrote the word.
        drop_tokens_threshold: Some(0),
        typo_tokens_threshold: Some(1),
        filter_by: Some(filters.join(" && ").into()),
        sort_by: Some(order.into()),
        include_fields: Some("node".into()),
        highlight_fields: Some("none".into()),
        limit: i32::try_from(one_more(query)).ok(),
        offset: i32::try_from(skip).ok(),
        ..Search::default()
    }
}

pub(super) fn titles<'a>(alias: &'a str, prefix: &'a str) -> Search<'a> {
    Search {
        collection: Some(alias.into()),
        q: Some(prefix.into()),
        query_by: Some(NAMES[0].into()),
        num_typos: Some("0".into()),
        drop_tokens_threshold: Some(0),
        filter_by: Some(format!("seen_by:={EVERYBODY}").into()),
        // A thousand gardens of one name are one title.
        group_by: Some("title".into()),
        group_limit: Some(1),
        include_fields: Some("title".into()),
        highlight_fields: Some("none".into()),
        per_page: Some(TITLES),
        ..Search::default()
    }
}

/// What came back: the mark, then the other search's answer.
#[derive(Deserialize)]
pub(super) struct Answers {
    results: Vec<Value>,
}

#[derive(Deserialize)]
struct MarkHits {
    hits: Vec<MarkHit>,
}

#[derive(Deserialize)]
struct MarkHit {
    document: MarkDocument,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<FoundHit>,
}

#[derive(Deserialize)]
struct FoundHit {
    document: FoundNode,
    #[serde(default)]
    text_match: f64,
}

#[derive(Deserialize)]
struct FoundNode {
    node: StoredNode,
}

#[derive(Deserialize)]
struct Groups {
    grouped_hits: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    hits: Vec<TitleHit>,
}

#[derive(Deserialize)]
struct TitleHit {
    document: FoundTitle,
}

#[derive(Deserialize)]
struct FoundTitle {
    title: Option<String>,
}

impl Answers {
    /// Each search of a request has an answer, or an error, of its own.
    fn split(self) -> Result<(Mark, Value), EngineError> {
        for result in &self.results {
            if let Some(code) = result.get("code").and_then(Value::as_u64) {
                let message = result.get("error").and_then(Value::as_str).unwrap_or_default();
                return Err(of_status(u16::try_from(code).unwrap_or(500), message));
            }
        }
        let Ok([mark, found]) = <[Value; 2]>::try_from(self.results) else {
            return Err(EngineError::Answer("another number of results"));
        };
        let mark: MarkHits = read(mark)?;
        let mark = mark.hits.first().and_then(|hit| hit.document.read());
        Ok((mark.ok_or(EngineError::Missing)?, found))
    }

    pub fn hits(self) -> Result<(Mark, Vec<Hit>), EngineError> {
        let (mark, found) = self.split()?;
        let found: Hits = read(found)?;
        let hits = found.hits.into_iter();
        let hits = hits.map(|hit| Hit { node: NodeShape::from(hit.document.node), score: hit.text_match });
        Ok((mark, hits.collect()))
    }

    pub fn titles(self) -> Result<(Mark, Vec<String>), EngineError> {
        let (mark, found) = self.split()?;
        let found: Groups = read(found)?;
        let hits = found.grouped_hits.into_iter().flat_map(|group| group.hits);
        Ok((mark, hits.filter_map(|hit| hit.document.title).collect()))
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, EngineError> {
    serde_json::from_value(value).map_err(|_| EngineError::Answer("a result of another form"))
}
