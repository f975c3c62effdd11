use kernel::Position;
use projections::search::{
    Line, Refused, SearchQuery,
    outside::{EngineError, Mark, MeiliSearch, Outside},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    super::index::put,
    replayed::{Answer, Replayed, made, recorded, recorded_with},
};

async fn meilisearch(answers: impl IntoIterator<Item = Answer>) -> (Replayed, MeiliSearch) {
    let server = Replayed::new(answers).await;
    let engine = MeiliSearch::new(&server.url, "wire-key", "test").unwrap();
    (server, engine)
}

fn lines(count: u128) -> Vec<Line> {
    (1..=count).map(|number| put(number, &format!("Garten {number}"))).collect()
}

fn mark(generation: i32, position: Position) -> Answer {
    let mark = format!("{generation} 1 {}", Uuid::nil());
    made(200, &json!({"id": "mark", "_pos": position, "mark": mark}))
}

fn enqueued() -> Answer {
    recorded("meilisearch/12-add-documents")
}

fn succeeded() -> Answer {
    recorded("meilisearch/13-add-documents-task-succeeded")
}

fn bad_geo() -> Answer {
    recorded("meilisearch/23-add-documents-bad-geo-task-failed")
}

/// As the server would tell it; nobody has recorded one.
fn canceled() -> Answer {
    recorded_with("meilisearch/13-add-documents-task-succeeded", |body| {
        *body =
            body.replace("\"succeeded\"", "\"canceled\"").replace("\"canceledBy\":null", "\"canceledBy\":8");
    })
}

#[tokio::test]
async fn a_write_is_done_when_its_task_is() {
    let waiting = recorded_with("meilisearch/13-add-documents-task-succeeded", |body| {
        *body = body.replace("\"succeeded\"", "\"processing\"");
    });
    let (server, engine) = meilisearch([mark(3, 1), enqueued(), waiting, succeeded()]).await;
    assert_eq!(engine.write(3, &lines(2), None).await, Ok(vec![Ok(()); 2]));
    let asked = server.asked();
    let sent: Vec<String> = asked.iter().map(super::replayed::Asked::line).collect();
    assert_eq!(
        sent,
        [
            "GET /indexes/test_nodes/documents/mark",
            "POST /indexes/test_nodes/documents?primaryKey=id",
            "GET /tasks/7",
            "GET /tasks/7"
        ]
    );
    assert!(asked.iter().all(|asked| asked.headers.contains("authorization: bearer wire-key")));
    let documents = asked[1].json();
    assert_eq!(documents[0]["_geo"], json!({"lat": 53.55, "lng": 9.99}));
    assert_eq!((&documents[1]["_pos"], &documents[1]["title_words"]), (&json!(1), &json!("garten 2")));
}

#[tokio::test]
async fn one_bad_document_is_found_among_good_ones() {
    let mut answers = vec![mark(1, 1)];
    // All three; the second half; its second; its first; the first half.
    for task in [bad_geo(), bad_geo(), bad_geo(), succeeded(), succeeded()] {
        answers.extend([enqueued(), task]);
    }
    let (server, engine) = meilisearch(answers).await;
    let refused = Refused("invalid_document_geo_field".to_owned());
    assert_eq!(engine.write(1, &lines(3), None).await, Ok(vec![Ok(()), Ok(()), Err(refused)]));
    let counts: Vec<usize> = server
        .asked()
        .iter()
        .filter(|asked| asked.method == "POST")
        .map(|asked| asked.json().as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [3, 2, 1, 1, 1]);
    let bad_id = recorded("meilisearch/19-add-documents-bad-primary-key-task-failed");
    let (_server, engine) = meilisearch([mark(1, 1), enqueued(), bad_id]).await;
    let refused = Refused("invalid_document_id".to_owned());
    assert_eq!(engine.write(1, &lines(1), None).await, Ok(vec![Err(refused)]));
}

#[tokio::test]
async fn a_cancelled_task_is_a_failure_of_the_whole_bulk() {
    let (_server, engine) = meilisearch([mark(1, 1), enqueued(), canceled()]).await;
    assert_eq!(engine.write(1, &lines(1), None).await, Err(EngineError::Task("canceled".to_owned())));
}

#[tokio::test]
async fn a_task_that_is_gone_or_failed_of_something_else_is_no_documents_fault() {
    let (_server, engine) =
        meilisearch([mark(1, 1), enqueued(), recorded("meilisearch/61-task-unknown")]).await;
    assert_eq!(engine.write(1, &lines(1), None).await, Err(EngineError::Missing));
    let full = recorded_with("meilisearch/23-add-documents-bad-geo-task-failed", |body| {
        *body = body.replace("invalid_document_geo_field", "no_space_left_on_device");
    });
    let (_server, engine) = meilisearch([mark(1, 1), enqueued(), full]).await;
    assert_eq!(engine.write(1, &lines(1), None).await, Err(EngineError::Full("disk")));
    let (_server, engine) =
        meilisearch([mark(1, 1), recorded("meilisearch/24-add-documents-malformed-json")]).await;
    let refused = EngineError::Refused("malformed_payload".to_owned());
    assert_eq!(engine.write(1, &lines(1), None).await, Err(refused));
}

#[tokio::test]
async fn keys_and_indexes_that_are_not_there_are_told_apart() {
    for (answer, expected) in [
        ("meilisearch/66-auth-no-key", Err(EngineError::Key)),
        ("meilisearch/67-auth-wrong-key", Err(EngineError::Key)),
        ("meilisearch/70-auth-search-key-import-forbidden", Err(EngineError::Key)),
        ("meilisearch/38-search-unknown-index", Ok(None)),
        ("meilisearch/27-get-document-unknown", Ok(None)),
    ] {
        let (_server, engine) = meilisearch([recorded(answer)]).await;
        assert_eq!(engine.live().await, expected, "{answer}");
    }
    let query = SearchQuery { limit: 10, ..SearchQuery::default() };
    for (answer, error) in [
        ("meilisearch/38-search-unknown-index", EngineError::Missing),
        // The index is there and was never set up.
        (
            "meilisearch/34-search-bad-filter-attribute",
            EngineError::Refused("invalid_search_filter".to_owned()),
        ),
    ] {
        let (server, engine) = meilisearch([recorded(answer)]).await;
        assert_eq!(engine.ask(&query, &["garten".to_owned()], 0).await, Err(error), "{answer}");
        assert_eq!(server.asked()[0].line(), "POST /multi-search");
    }
}

#[tokio::test]
async fn which_index_a_generation_is_in_says_its_mark() {
    let (_server, engine) = meilisearch([mark(4, 10), mark(5, 20), mark(5, 20)]).await;
    let expected = Mark { generation: 5, position: 20, epoch: 1, event: Uuid::nil() };
    assert_eq!(engine.mark(5).await, Ok(Some(expected)));
    let (_server, engine) = meilisearch([mark(4, 10), mark(5, 20)]).await;
    assert_eq!(engine.mark(6).await, Ok(None));
}

#[tokio::test]
async fn what_is_shown_is_swapped_once_and_a_failed_swap_is_told() {
    let swap = || recorded("meilisearch/41-swap-indexes");
    let done = recorded("meilisearch/42-swap-indexes-task-succeeded");
    let (server, engine) = meilisearch([mark(1, 1), mark(2, 1), swap(), done]).await;
    engine.show(2).await.unwrap();
    assert_eq!(server.asked()[2].json(), json!([{"indexes": ["test_nodes", "test_nodes_beside"]}]));
    let failed = recorded("meilisearch/45-swap-indexes-unknown-task-failed");
    let (_server, engine) = meilisearch([mark(1, 1), mark(2, 1), swap(), failed]).await;
    assert_eq!(engine.show(2).await, Err(EngineError::Missing));
    let (server, engine) = meilisearch([mark(2, 1)]).await;
    engine.show(2).await.unwrap();
    assert_eq!(server.asked().len(), 1, "it answers already");
}

#[tokio::test]
async fn what_answers_is_not_dropped_and_what_is_gone_is_dropped() {
    let (_server, engine) = meilisearch([mark(3, 1)]).await;
    assert!(matches!(engine.drop_generation(3).await, Err(EngineError::Refused(_))));
    let deletion = recorded("meilisearch/62-delete-index");
    let unknown = recorded("meilisearch/57-delete-index-unknown-task-failed");
    let (server, engine) = meilisearch([mark(3, 1), mark(2, 1), deletion, unknown]).await;
    engine.drop_generation(2).await.unwrap();
    assert_eq!(server.asked()[2].line(), "DELETE /indexes/test_nodes_beside");
}

#[tokio::test]
async fn removed_nodes_are_deleted_by_id() {
    let (server, engine) = meilisearch([
        mark(1, 1),
        recorded("meilisearch/52-delete-documents-batch"),
        recorded("meilisearch/53-delete-documents-batch-task-succeeded"),
    ])
    .await;
    let answers = engine.write(1, &[Line::Remove(Uuid::from_u128(9))], None).await;
    assert_eq!(answers, Ok(vec![Ok(())]));
    let asked = server.asked();
    assert_eq!(asked[1].line(), "POST /indexes/test_nodes/documents/delete-batch");
    assert_eq!(asked[1].json(), json!([Uuid::from_u128(9)]));
}

#[tokio::test]
async fn what_there_may_be_several_of_is_a_comma_list() {
    // Nobody has recorded the answer; the real one refuses a list in brackets.
    let (server, engine) = meilisearch([recorded("meilisearch/67-auth-wrong-key")]).await;
    assert_eq!(engine.prepare(2).await, Err(EngineError::Key));
    let several = "indexUids=test_nodes%2Ctest_nodes_beside&statuses=succeeded%2Cfailed%2Ccanceled";
    assert_eq!(server.asked()[0].line(), format!("DELETE /tasks?{several}"));
}

#[tokio::test]
async fn version_and_size_are_read() {
    let (_server, engine) =
        meilisearch([recorded("meilisearch/02-version"), recorded("meilisearch/58-stats")]).await;
    assert_eq!(engine.version().await.unwrap(), "1.50.0");
    assert_eq!(engine.size().await.unwrap(), 327_680);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away_and_the_key_is_told_nobody() {
    let engine = MeiliSearch::new("http://127.0.0.1:9", "geheim", "test").unwrap();
    let error = engine.live().await.unwrap_err();
    assert_eq!(error, EngineError::Away("no connection"));
    assert!(!format!("{engine:?} {error:?} {error}").contains("geheim"));
}
