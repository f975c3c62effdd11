use kernel::Position;
use projections::search::{
    Line, Refused, SearchQuery,
    outside::{EngineError, Mark, Outside, TypesenseSearch},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::index::{document, put},
    replayed::{Answer, Replayed, made, recorded, recorded_with},
};

const KEY: &str = "wire-key";

async fn typesense(answers: impl IntoIterator<Item = Answer>) -> (Replayed, TypesenseSearch) {
    let server = Replayed::new(answers).await;
    let engine = TypesenseSearch::new(&server.url, KEY, "test").unwrap();
    (server, engine)
}

fn lines(count: u128) -> Vec<Line> {
    (1..=count).map(|number| put(number, &format!("Garten {number}"))).collect()
}

fn mark_answer(generation: i32, position: Position) -> Answer {
    let mark = format!("{generation} 1 {}", Uuid::nil());
    made(200, &json!({"id": "mark", "_pos": position, "seen_by": "nobody", "title_words": "", "mark": mark}))
}

async fn import(answer: &str, count: u128) -> Result<Vec<Result<(), Refused>>, EngineError> {
    let (server, engine) = typesense([recorded(answer)]).await;
    let answers = engine.write(3, &lines(count), None).await;
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line(), "POST /collections/test_nodes_g3/documents/import?action=upsert");
    assert!(asked[0].headers.contains("x-typesense-api-key: wire-key"), "{asked:?}");
    assert!(asked[0].headers.contains("content-type: text/plain"), "{asked:?}");
    assert_eq!(asked[0].body.lines().count() as u128, count);
    answers
}

fn refused(reason: &str) -> Result<(), Refused> {
    Err(Refused(reason.to_owned()))
}

#[tokio::test]
async fn a_bulk_is_whole_documents_a_line_each() {
    let (server, engine) = typesense([recorded("typesense/15-import-upsert-empty-lines")]).await;
    engine.write(1, &lines(2), None).await.unwrap();
    let body = &server.asked()[0].body;
    let first: Value = serde_json::from_str(body.lines().next().unwrap()).unwrap();
    assert_eq!(first["id"], Uuid::from_u128(1).to_string());
    assert_eq!((&first["_pos"], &first["point"]), (&json!(1), &json!([53.55, 9.99])));
    assert_eq!((&first["title_words"], &first["title"]), (&json!("garten 1"), &json!("Garten 1")));
    assert_eq!(first["seen_by"], "everybody");
    assert_eq!(first["node"]["title"], "Garten 1");
}

#[tokio::test]
async fn an_import_that_answers_200_has_refused_single_lines() {
    let answers = import("typesense/13-import-upsert-2-of-5-bad", 5).await.unwrap();
    // The field it names is none of ours, so it is not repeated.
    assert_eq!(answers, [Ok(()), refused("400"), Ok(()), refused("400"), Ok(())]);
    let answers = import("typesense/14-import-upsert-malformed-json-line", 3).await.unwrap();
    assert_eq!(answers, [Ok(()), refused("400"), Ok(())]);
    let answers = import("typesense/16-import-upsert-bad-geopoint", 3).await.unwrap();
    assert_eq!(answers, [refused("400"), Ok(()), refused("400")]);
    assert_eq!(import("typesense/12-import-upsert-all-good", 5).await, Ok(vec![Ok(()); 5]));
}

#[tokio::test]
async fn a_refusal_names_our_field_and_never_a_value() {
    let (_server, engine) = typesense([recorded_with("typesense/13-import-upsert-2-of-5-bad", |body| {
        *body = body.replace("Field `jahr` must be an int64.", "Field `_pos` must be an int64: `Geheim`.");
    })])
    .await;
    let answers = engine.write(1, &lines(5), None).await.unwrap();
    assert_eq!(answers[3], refused("400: _pos"));
}

#[tokio::test]
async fn no_verdict_is_guessed() {
    let count = import("typesense/12-import-upsert-all-good", 4).await;
    assert!(matches!(count, Err(EngineError::Answer(_))), "{count:?}");
    let (_server, engine) = typesense([made(200, &json!("broken"))]).await;
    let broken = engine.write(1, &lines(1), None).await;
    assert!(matches!(broken, Err(EngineError::Answer(_))), "{broken:?}");
}

#[tokio::test]
async fn what_fails_the_whole_request_is_no_lines_fault() {
    for (answer, error) in [
        ("typesense/26-import-unknown-collection", EngineError::Missing),
        ("typesense/87-wrong-api-key-import", EngineError::Key),
        ("typesense/91-search-only-key-forbidden-import", EngineError::Key),
        ("typesense/124-import-while-loading", EngineError::Lagging),
        ("typesense/25-import-bad-action", EngineError::Refused("400".to_owned())),
    ] {
        assert_eq!(import(answer, 1).await, Err(error), "{answer}");
    }
}

#[tokio::test]
async fn an_engine_without_memory_or_disk_is_full_whatever_it_was_asked() {
    // The sentence of its source; nobody has recorded a full one.
    for (kind, full) in [("OUT_OF_MEMORY", "memory"), ("OUT_OF_DISK", "disk")] {
        let message = format!("Rejecting write: running out of resource type: {kind}");
        let whole = made(422, &json!({"message": message}));
        let (_server, engine) = typesense([whole]).await;
        assert_eq!(engine.write(1, &lines(1), None).await, Err(EngineError::Full(full)));
        let line = made(200, &json!({"code": 422, "error": message, "success": false}));
        let (_server, engine) = typesense([line]).await;
        assert_eq!(engine.write(1, &lines(1), None).await, Err(EngineError::Full(full)));
    }
    // Another 422.
    let (_server, engine) = typesense([recorded("typesense/57-search-per-page-too-big")]).await;
    let query = SearchQuery { limit: 10, ..SearchQuery::default() };
    let answer = engine.ask(&query, &["garten".to_owned()], 0).await;
    assert_eq!(answer, Err(EngineError::Refused("422".to_owned())));
}

#[tokio::test]
async fn a_place_that_is_nowhere_and_what_nobody_finds_are_deleted_and_not_sent() {
    let mut nowhere = document(1, "Nordpol");
    nowhere.location.as_mut().unwrap().lat = 91.0;
    let nowhere = Line::Put { node: Box::new(nowhere), position: 4 };
    let gone = Line::Remove(Uuid::from_u128(2));
    let (server, engine) = typesense([recorded("typesense/79-delete-by-id-filter")]).await;
    let answers = engine.write(2, &[nowhere, gone], None).await.unwrap();
    assert!(answers[0].is_err() && answers[1].is_ok(), "{answers:?}");
    let asked = server.asked();
    assert_eq!(asked[0].method, "DELETE");
    let ids = format!("id%3A%5B{}%2C{}%5D", Uuid::from_u128(1), Uuid::from_u128(2));
    assert_eq!(asked[0].path, format!("/collections/test_nodes_g2/documents?filter_by={ids}"));
}

#[tokio::test]
async fn the_mark_comes_after_every_verdict() {
    let one = || made(200, &json!({"success": true}));
    let (server, engine) = typesense([one(), one()]).await;
    let mark = Mark { generation: 2, position: 77, epoch: 1, event: Uuid::from_u128(5) };
    engine.write(2, &lines(1), Some(mark)).await.unwrap();
    let asked = server.asked();
    assert!(!asked[0].body.contains("\"mark\""), "{asked:?}");
    let sent: Value = serde_json::from_str(&asked[1].body).unwrap();
    assert_eq!(
        (&sent["id"], &sent["_pos"], &sent["seen_by"]),
        (&json!("mark"), &json!(77), &json!("nobody"))
    );
}

#[tokio::test]
async fn a_generation_that_cannot_be_asked_has_no_mark_or_an_error() {
    for (answer, expected) in [
        ("typesense/32-get-document-unknown", Ok(None)),
        ("typesense/36-alias-get-unknown", Ok(None)),
        ("typesense/123-search-while-loading", Err(EngineError::Lagging)),
        ("typesense/85-wrong-api-key", Err(EngineError::Key)),
        // Somebody else's document of that name.
        ("typesense/31-get-document", Err(EngineError::Answer("no JSON of the expected form"))),
    ] {
        let (server, engine) = typesense([recorded(answer)]).await;
        assert_eq!(engine.live().await, expected, "{answer}");
        assert_eq!(server.asked()[0].line(), "GET /collections/test_nodes/documents/mark");
    }
    let (_server, engine) = typesense([mark_answer(4, 99)]).await;
    let mark = Mark { generation: 4, position: 99, epoch: 1, event: Uuid::nil() };
    assert_eq!(engine.live().await, Ok(Some(mark)));
}

#[tokio::test]
async fn a_search_whose_collection_is_gone_or_whose_server_is_reading_fails() {
    let query = SearchQuery { limit: 10, ..SearchQuery::default() };
    let words = ["garten".to_owned()];
    for (answer, error) in [
        // One of several searches failed, with 200 for the whole.
        ("typesense/71-multi-search", EngineError::Missing),
        ("typesense/43-search-through-dangling-alias", EngineError::Missing),
        ("typesense/123-search-while-loading", EngineError::Lagging),
        ("typesense/73-multi-search-malformed", EngineError::Refused("400".to_owned())),
    ] {
        let (server, engine) = typesense([recorded(answer)]).await;
        assert_eq!(engine.ask(&query, &words, 0).await, Err(error), "{answer}");
        assert_eq!(server.asked()[0].line(), "POST /multi_search");
    }
}

#[tokio::test]
async fn what_is_asked_holds_who_asks_and_no_letter_that_means_something() {
    let (server, engine) = typesense([recorded("typesense/123-search-while-loading")]).await;
    let query = SearchQuery {
        kinds: vec!["a`],b".to_owned()],
        viewer: Some(Uuid::from_u128(7)),
        limit: 100,
        ..SearchQuery::default()
    };
    let _ = engine.ask(&query, &["garten".to_owned()], 40).await;
    let asked = server.asked()[0].json();
    let search = &asked["searches"][1];
    let filter = search["filter_by"].as_str().unwrap();
    assert!(filter.starts_with("seen_by:=[everybody,00000000000000000000000000000007] && kind_key:=["));
    assert!(!filter.contains('`'), "{filter}");
    assert_eq!((&search["limit"], &search["offset"]), (&json!(101), &json!(40)));
    assert_eq!(search["collection"], "test_nodes");
}

#[tokio::test]
async fn an_alias_is_never_led_to_a_collection_that_is_not_there() {
    let (server, engine) = typesense([recorded("typesense/32-get-document-unknown")]).await;
    assert_eq!(engine.show(5).await, Err(EngineError::Missing));
    assert_eq!(server.asked().len(), 1, "nothing was written");
    let (server, engine) = typesense([mark_answer(5, 1), recorded("typesense/34-alias-upsert")]).await;
    engine.show(5).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[1].line(), "PUT /aliases/test_nodes");
    assert_eq!(asked[1].json(), json!({"collection_name": "test_nodes_g5"}));
}

#[tokio::test]
async fn nothing_is_deleted_by_the_alias_and_not_what_it_leads_to() {
    let answers = [recorded("typesense/35-alias-get"), recorded("typesense/93-delete-collection")];
    let (server, engine) = typesense(answers).await;
    engine.drop_generation(3).await.unwrap();
    assert_eq!(server.asked()[1].line(), "DELETE /collections/test_nodes_g3");
    let leads_there =
        recorded_with("typesense/35-alias-get", |body| *body = body.replace("orte_v1", "test_nodes_g3"));
    let (server, engine) = typesense([leads_there]).await;
    assert!(matches!(engine.drop_generation(3).await, Err(EngineError::Refused(_))));
    assert_eq!(server.asked().len(), 1);
    let answers =
        [recorded("typesense/36-alias-get-unknown"), recorded("typesense/94-delete-collection-unknown")];
    let (_server, engine) = typesense(answers).await;
    engine.drop_generation(3).await.unwrap();
}

#[tokio::test]
async fn a_collection_that_is_there_already_is_told() {
    let answers = [
        recorded("typesense/94-delete-collection-unknown"),
        recorded("typesense/04-create-collection-twice"),
    ];
    let (server, engine) = typesense(answers).await;
    assert_eq!(engine.prepare(1).await, Err(EngineError::Refused("409".to_owned())));
    let schema = server.asked()[1].json();
    assert_eq!(schema["name"], "test_nodes_g1");
    let fields = schema["fields"].as_array().unwrap();
    assert!(fields.iter().any(|field| field["name"] == "point" && field["type"] == "geopoint"));
    assert!(fields.iter().all(|field| field["name"] != "node"), "what is shown is not looked into");
}

#[tokio::test]
async fn version_memory_and_contents_are_read() {
    let (_server, engine) = typesense([
        recorded("typesense/02-debug"),
        recorded("typesense/83-metrics-json"),
        recorded("typesense/117-export-with-filter"),
    ])
    .await;
    assert_eq!(engine.version().await.unwrap(), "29.0");
    assert_eq!(engine.size().await.unwrap(), 47_681_536);
    // No id of ours, and without a position: a difference, for whoever compares.
    let mut told = Vec::new();
    engine.contents(1, &mut |id, position| told.push((id, position))).await.unwrap();
    assert_eq!(told, [(Uuid::nil(), 0)]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away_and_the_key_is_told_nobody() {
    let engine = TypesenseSearch::new("http://127.0.0.1:9", "geheim", "test").unwrap();
    let error = engine.live().await.unwrap_err();
    assert_eq!(error, EngineError::Away("no connection"));
    assert_eq!(engine.version().await, Err(EngineError::Away("no connection")));
    assert!(!format!("{engine:?} {error:?} {error}").contains("geheim"));
}
