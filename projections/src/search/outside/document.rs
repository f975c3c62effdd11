use chrono::{DateTime, Utc};
use domain::weave::values::SearchVisibility;
use kernel::{Position, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    search::{Line, Refused, node_search::texts::Texts},
    weave::{LatLon, node::NodeFields, node::NodeShape},
};

/// Who may find a public node.
pub(super) const EVERYBODY: &str = "everybody";
/// Who may find the mark.
const NOBODY: &str = "nobody";
/// Id of the one document that is no node.
pub(super) const MARK: &str = "mark";

/// A node as the engines hold it: looked for by what is folded, filtered by keys, answered with
/// `node`, which no engine looks into.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Document {
    pub id: Uuid,
    /// Position of the node's last change.
    pub _pos: Position,
    pub seen_by: String,
    pub title_words: String,
    pub labels: String,
    /// Parts of words: what they begin and end with.
    pub ends: String,
    pub summary_words: String,
    pub rest: String,
    /// As it was written: suggestions are told apart by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub kind_key: String,
    pub tag_keys: Vec<String>,
    /// Each engine has its own way to write it.
    #[serde(skip)]
    pub point: Option<LatLon>,
    pub node: NodeShape,
}

impl Document {
    /// What becomes of a line.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_line(line: &Line) -> Result<Option<Self>, Refused> {
        match line {
            Line::Put { node, position } => Self::of(node, *position),
            Line::Remove(_) => Ok(None),
        }
    }

    /// `None` for a node that nobody may find: an engine holds nothing of it.
    ///
    /// # Errors
    /// [`Refused`] for a place that is nowhere: Typesense would take it and sort by it.
    pub fn of(node: &NodeFields, position: Position) -> Result<Option<Self>, Refused> {
        let Some(texts) = Texts::of(node) else { return Ok(None) };
        let seen_by = match (node.search_visibility, node.created_by) {
            (SearchVisibility::Public, _) => EVERYBODY.to_owned(),
            (_, Some(creator)) => owner_key(creator),
            // A private node whose creator has left.
            (_, None) => return Ok(None),
        };
        if node.location.is_some_and(|at| !on_earth(at)) {
            return Err(Refused("a location that is nowhere".to_owned()));
        }
        let ends = parts(&texts);
        Ok(Some(Self {
            id: node.id,
            _pos: position,
            seen_by,
            title_words: texts.title,
            labels: texts.labels,
            ends,
            summary_words: texts.summary,
            rest: texts.rest,
            title: node.title.clone(),
            kind_key: key(node.kind.as_deref().unwrap_or_default()),
            tag_keys: node.tags.iter().flatten().map(|tag| key(tag)).collect(),
            point: node.location,
            node: NodeShape::from(node.clone()),
        }))
    }
}

/// What the words of title, kind and tags begin and end with. These engines take the last word of a
/// query for a beginning, Postgres every one: `Münster Garten` is meant to find a Münsterplatz.
fn parts(texts: &Texts) -> String {
    let mut parts = texts.ends().collect::<Vec<_>>().join(" ");
    for word in texts.title.split(' ').chain(texts.labels.split(' ')) {
        let letters = word.char_indices().skip(PART);
        for (end, _) in letters {
            parts.push(' ');
            parts.push_str(&word[..end]);
        }
    }
    parts
}

/// Letters of the shortest beginning.
const PART: usize = 3;

fn on_earth(at: LatLon) -> bool {
    (-90.0..=90.0).contains(&at.lat) && (-180.0..=180.0).contains(&at.lon)
}

/// A kind or a tag as engines compare it: they would take words apart, fold them and stumble over
/// quotes.
pub(super) fn key(label: &str) -> String {
    hex::encode(&Sha256::digest(label.as_bytes())[..16])
}

pub(super) fn owner_key(account: Uuid) -> String {
    account.simple().to_string()
}

/// How far a generation is, and of which log: written after the documents it stands for, so that
/// whoever reads it finds them. An engine says that it is well before it has read its own log
/// again; this it cannot say too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub generation: i32,
    pub position: Position,
    pub epoch: i32,
    /// Id of the event at `position`; nil in the beginning.
    pub event: Uuid,
}

impl Mark {
    #[must_use]
    pub const fn beginning(generation: i32, epoch: i32) -> Self {
        Self { generation, position: 0, epoch, event: Uuid::nil() }
    }
}

/// The mark as a document. Position, epoch and event as one text: engines read numbers as they
/// like.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MarkDocument {
    #[serde(default)]
    id: String,
    _pos: Position,
    #[serde(default)]
    seen_by: String,
    #[serde(default)]
    title_words: String,
    mark: String,
}

impl From<Mark> for MarkDocument {
    fn from(mark: Mark) -> Self {
        let Mark { generation, position, epoch, event } = mark;
        Self {
            id: MARK.to_owned(),
            _pos: position,
            seen_by: NOBODY.to_owned(),
            title_words: String::new(),
            mark: format!("{generation} {epoch} {event}"),
        }
    }
}

impl MarkDocument {
    /// `None` for what we did not write.
    pub fn read(&self) -> Option<Mark> {
        let mut words = self.mark.split(' ');
        let generation = words.next()?.parse().ok()?;
        let epoch = words.next()?.parse().ok()?;
        let event = words.next()?.parse().ok()?;
        Some(Mark { generation, position: self._pos, epoch, event })
    }
}

/// The `node` of a document, read back.
#[derive(Debug, Deserialize)]
pub(super) struct StoredNode {
    id: Uuid,
    kind: Option<String>,
    title: Option<String>,
    summary: Option<String>,
    info: Option<String>,
    tags: Option<Vec<String>>,
    address: Option<String>,
    location: Option<LatLon>,
    search_visibility: SearchVisibility,
    created_by: Option<Uuid>,
    conversation_id: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: Version,
    #[serde(default)]
    erased: Vec<String>,
}

impl From<StoredNode> for NodeShape {
    fn from(node: StoredNode) -> Self {
        Self {
            id: node.id,
            kind: node.kind,
            title: node.title,
            summary: node.summary,
            info: node.info,
            tags: node.tags,
            address: node.address,
            location: node.location,
            search_visibility: node.search_visibility.as_str(),
            created_by: node.created_by,
            conversation_id: node.conversation_id,
            created_at: node.created_at,
            updated_at: node.updated_at,
            version: node.version,
            erased: node.erased,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        search::node_search::{NodeSearch, SearchRow},
        testing::fold,
        weave::node::tests::{CREATOR, NODE, story},
    };
    use serde_json::json;

    fn fields() -> NodeFields {
        match fold(&NodeSearch::default(), &story().events).unwrap().remove(&NODE) {
            Some(SearchRow::Node(fields)) => *fields,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_nobody_may_find_has_no_document_and_a_private_node_is_its_owners() {
        let mut node = fields();
        for hidden in [SearchVisibility::Hidden, SearchVisibility::Revoked] {
            node.search_visibility = hidden;
            assert_eq!(Document::of(&node, 7), Ok(None));
        }
        node.search_visibility = SearchVisibility::Private;
        let document = Document::of(&node, 7).unwrap().unwrap();
        assert_eq!((document.seen_by, document._pos), (owner_key(CREATOR), 7));
        node.created_by = None;
        assert_eq!(Document::of(&node, 7), Ok(None));
        node.search_visibility = SearchVisibility::Public;
        assert_eq!(Document::of(&node, 7).unwrap().unwrap().seen_by, EVERYBODY);
    }

    #[test]
    fn a_place_that_is_nowhere_is_refused_before_an_engine_takes_it() {
        let mut node = fields();
        for (lat, lon) in [(90.5, 0.0), (0.0, -180.5), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            node.location = Some(LatLon { lat, lon });
            assert!(Document::of(&node, 1).is_err(), "{lat} {lon}");
        }
        node.location = Some(LatLon { lat: -90.0, lon: 180.0 });
        assert!(Document::of(&node, 1).is_ok());
    }

    #[test]
    fn every_word_can_be_found_by_its_beginning_and_its_end() {
        let mut node = fields();
        (node.title, node.kind, node.tags) = (Some("Münsterplatz".to_owned()), None, None);
        let document = Document::of(&node, 1).unwrap().unwrap();
        let parts: Vec<&str> = document.ends.split(' ').collect();
        for part in ["mun", "munster", "munsterplat", "platz", "sterplatz"] {
            assert!(parts.contains(&part), "{part}: {parts:?}");
        }
        assert!(!parts.contains(&"mu") && !parts.contains(&"munsterplatz"), "{parts:?}");
    }

    #[test]
    fn the_mark_survives_the_round_trip() {
        let mark = Mark { generation: 3, position: 1 << 40, epoch: 2, event: Uuid::from_u128(7) };
        let document: MarkDocument =
            serde_json::from_value(serde_json::to_value(MarkDocument::from(mark)).unwrap()).unwrap();
        assert_eq!(document.read(), Some(mark));
        let other: MarkDocument = serde_json::from_value(json!({"_pos": 1, "mark": "x"})).unwrap();
        assert_eq!(other.read(), None);
    }

    #[test]
    fn a_node_comes_back_as_it_is_shown() {
        let shape = NodeShape::from(fields());
        let text = serde_json::to_string(&shape).unwrap();
        let back: StoredNode = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&NodeShape::from(back)).unwrap(), text);
    }

    #[test]
    fn labels_are_compared_letter_by_letter() {
        assert_eq!(key("thema:natur"), key("thema:natur"));
        assert_ne!(key("thema:natur"), key("Thema natur"));
        assert!(key("`], || ").chars().all(|letter| letter.is_ascii_hexdigit()));
    }
}
