//! The floor of the search: `tests/fixtures/relevance`, through the HTTP route.

use std::{collections::HashMap, fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation};

/// Per cent of all queries.
const FLOOR: usize = 85;

#[derive(Deserialize)]
struct Document {
    id: String,
    kind: String,
    title: String,
    address: String,
    location: Value,
    tags: Vec<String>,
    summary: Option<String>,
    info: Option<String>,
}

#[derive(Deserialize)]
struct Query {
    q: String,
    top: Vec<String>,
    why: String,
}

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/relevance").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

async fn tie_all(api: &Api, token: &str, documents: Vec<Document>) -> (HashMap<String, String>, i64) {
    let (mut names, mut last) = (HashMap::new(), 0);
    for document in documents {
        let id = Uuid::now_v7();
        let mut body = json!({
            "title": document.title, "kind": document.kind, "address": document.address,
            "location": document.location, "tags": document.tags,
        });
        for (field, text) in [("summary", document.summary), ("info", document.info)] {
            if let Some(text) = text {
                body[field] = json!(text);
            }
        }
        let reply = api.command(token, &format!("/v1/nodes/{id}/tie"), body).await;
        assert_eq!(reply.status, 200, "{}: {reply:?}", document.id);
        last = reply.position();
        names.insert(id.to_string(), document.id);
    }
    (names, last)
}

/// The first hits, out of what may be there; nothing, where nothing is right.
fn is_right(found: &[&str], top: &[String]) -> bool {
    let first = top.len().min(3);
    if top.is_empty() {
        return found.is_empty();
    }
    found.len() >= first && found[..first].iter().all(|id| top.iter().any(|right| right == id))
}

/// How many of the queries one engine answers rightly, and how many there are. It is asked until it
/// is caught up.
pub async fn right_answers(api: &Api, place: &Installation, engine: &str) -> (usize, usize) {
    let (_, token) = api.person(place, "Ada").await;
    let (names, last) = tie_all(api, &token, fixture("documents.json")).await;
    let queries: Vec<Query> = fixture("queries.json");
    let mut right = 0;
    for query in &queries {
        let encoded: String = form_urlencoded::byte_serialize(query.q.as_bytes()).collect();
        let path = format!("/v1/search?limit=5&q={encoded}");
        let reply = api.get_by(engine, &path, "", last).await;
        let items = reply.body["items"].as_array().unwrap().iter();
        let found: Vec<&str> = items.map(|item| &*names[item["id"].as_str().unwrap()]).collect();
        if is_right(&found, &query.top) {
            right += 1;
        } else {
            println!("missed: {:?} ({}) found {found:?} instead of {:?}", query.q, query.why, query.top);
        }
    }
    println!("relevance of {engine}: {right} of {} queries", queries.len());
    (right, queries.len())
}

pub fn is_enough((right, queries): (usize, usize)) -> bool {
    right * 100 >= queries * FLOOR
}

#[tokio::test(flavor = "multi_thread")]
async fn at_least_85_of_100_queries_find_what_people_hope_for() {
    let place = Installation::new().await;
    let api = place.api().await;
    let counts = right_answers(&api, &place, "postgres").await;
    assert!(is_enough(counts), "{counts:?}");
}

#[test]
fn an_answer_is_right_when_its_first_hits_are_and_empty_when_nothing_is() {
    let top = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert!(is_right(&["a", "x"], &top(&["a"])) && !is_right(&["x", "a"], &top(&["a"])));
    assert!(is_right(&["b", "a"], &top(&["a", "b"])) && !is_right(&["b"], &top(&["a", "b"])));
    assert!(is_right(&["d", "b", "a", "x"], &top(&["a", "b", "c", "d"])));
    assert!(is_right(&[], &[]) && !is_right(&["a"], &[]));
}
