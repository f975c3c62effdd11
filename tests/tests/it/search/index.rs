//! What every engine promises about its documents; run here on the one in Postgres.

use chrono::DateTime;
use domain::weave::values::SearchVisibility;
use eventstore::{generation, subscription::GenerationState};
use projections::{
    search::{Line, PostgresSearch, SearchEngine, SearchIndex, SearchQuery},
    weave::{LatLon, node::NodeFields, registry},
};
use uuid::Uuid;

use crate::support::{LogEnv, log_env};

async fn engine() -> (LogEnv, PostgresSearch) {
    let env = log_env().await;
    generation::install(&env.owner_pool, &registry()).await.unwrap();
    let engine = PostgresSearch::new(env.log.pg().clone());
    (env, engine)
}

pub(super) fn document(number: u128, title: &str) -> NodeFields {
    NodeFields {
        id: Uuid::from_u128(number),
        kind: Some("ort".into()),
        title: Some(title.into()),
        summary: None,
        info: None,
        tags: Some(vec![]),
        address: Some("Hof 3".into()),
        location: Some(LatLon { lat: 53.55, lon: 9.99 }),
        search_visibility: SearchVisibility::Public,
        created_by: None,
        conversation_id: Uuid::nil(),
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        version: 1,
        redacted: vec![],
        removed_at: None,
    }
}

pub(super) fn put(number: u128, title: &str) -> Line {
    Line::Put { node: Box::new(document(number, title)), position: 1 }
}

async fn found(engine: &impl SearchEngine, text: &str) -> Vec<u128> {
    let query = SearchQuery { text: text.into(), limit: 100, ..SearchQuery::default() };
    let page = engine.search(&query).await.unwrap();
    assert_eq!(page.engine, engine.name());
    let mut ids: Vec<u128> = page.hits.items.iter().map(|hit| hit.node.id.as_u128()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_has_its_own_answer_and_the_rest_goes_in() {
    let (_env, engine) = engine().await;
    let lines =
        [put(1, "Garten eins"), put(2, "Garten\0zwei"), put(3, "Garten drei"), Line::Remove(Uuid::max())];
    let answers = engine.index(1, &lines).await.unwrap();
    let fine: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(fine, [true, false, true, true]);
    let refusal = answers[1].as_ref().unwrap_err().to_string();
    assert!(refusal.contains("22021") && !refusal.contains("zwei"), "{refusal}");
    assert_eq!(found(&engine, "garten").await, [1, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_comes_twice_is_there_once_and_the_last_one_counts() {
    let (_env, engine) = engine().await;
    for _ in 0..2 {
        engine.index(1, &[put(1, "Nähstube"), put(2, "Chor")]).await.unwrap();
    }
    assert_eq!(found(&engine, "nahstube").await, [1]);
    let answers = engine.index(1, &[put(1, "Töpferei"), Line::Remove(Uuid::from_u128(2))]).await.unwrap();
    assert!(answers.iter().all(Result::is_ok));
    assert!(found(&engine, "nähstube").await.is_empty() && found(&engine, "chor").await.is_empty());
    assert_eq!(found(&engine, "töpferei").await, [1]);
    let offered = engine.suggest("", 10, 0).await.unwrap().titles;
    assert!(offered.is_empty(), "nothing was typed: {offered:?}");
    assert_eq!(engine.suggest("t", 10, 0).await.unwrap().titles, ["Töpferei"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_at_their_limits_are_taken() {
    let (_env, engine) = engine().await;
    let mut worst = document(1, &"\u{fdfa}".repeat(200));
    worst.kind = Some("ﷺ".repeat(100));
    worst.summary = Some("x".repeat(500));
    worst.tags = Some((0..32).map(|n| format!("{n}{}", "ﷺ".repeat(60))).collect());
    let mut long = document(2, &"wort ".repeat(40));
    long.info = Some("🙂\u{fdfa}".repeat(10_000));
    let mut dense = document(3, "Dichte");
    dense.info = Some((0..3_000u32).map(|n| format!("w{n:04} ")).collect());
    let mut one = document(4, &"ä".repeat(200));
    one.info = Some("ß".repeat(20_000));
    let lines: Vec<Line> = [worst, long, dense, one]
        .into_iter()
        .map(|node| Line::Put { node: Box::new(node), position: 1 })
        .collect();
    let answers = engine.index(1, &lines).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(found(&engine, "w2999").await, [3]);
    assert_eq!(found(&engine, "wort").await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_knows_its_generations_and_how_far_behind_it_is() {
    let (env, engine) = engine().await;
    let standing = engine.standing().await.unwrap();
    assert_eq!((standing.position, standing.lag), (0, 0));
    let [one] = &standing.generations[..] else { panic!("{standing:?}") };
    assert_eq!((one.number, one.state), (1, GenerationState::Live));
    sqlx::raw_sql(
        "update log_head set position = 12;
         update projection_checkpoints set position = 5 where projection = 'node_search'",
    )
    .execute(&env.owner_pool)
    .await
    .unwrap();
    let standing = engine.standing().await.unwrap();
    assert_eq!((standing.position, standing.lag), (5, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_was_never_installed_says_so() {
    let env = log_env().await;
    let engine = PostgresSearch::new(env.log.pg().clone());
    assert!(engine.standing().await.unwrap_err().to_string().contains("not built yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_hold_what_postgres_makes_of_the_words() {
    let (env, engine) = engine().await;
    let mut nodes: Vec<NodeFields> = Vec::new();
    for (number, title) in
        ["Die Gärten der Nachbarinnen, 3. Reihe 42b", "Gemeinschaftsgarten", "und", "日本 Кафе 1e5"]
            .into_iter()
            .enumerate()
    {
        let mut node = document(number as u128 + 1, title);
        node.tags = Some(vec!["essbare stadt".into(), "2024".into()]);
        node.info = Some("Häuser und Höfe, die offen sind; Führungen sonntags um 15 Uhr".into());
        nodes.push(node);
    }
    // Twice: the second time nothing is asked any more.
    for _ in 0..2 {
        let lines: Vec<Line> =
            nodes.iter().map(|node| Line::Put { node: Box::new(node.clone()), position: 1 }).collect();
        assert!(engine.index(1, &lines).await.unwrap().iter().all(Result::is_ok));
    }
    let differing: Vec<String> = sqlx::query_scalar(
        "select title from read.node_search
         where strip(ts_filter(vector, '{a}'))
                   <> strip(to_tsvector('simple', title_words) || to_tsvector('german', title_words))
            or strip(ts_filter(vector, '{d}'))
                   <> strip(to_tsvector('german',
                                        'hof 3 hauser und hofe die offen sind fuhrungen sonntags um 15 uhr'))
            or ts_filter(vector, '{b}') = ''",
    )
    .fetch_all(env.log.pg())
    .await
    .unwrap();
    assert!(differing.is_empty(), "{differing:?}");
    let end: bool = sqlx::query_scalar(
        "select ts_filter(vector, '{c}') @@ to_tsquery('german', 'garten')
         from read.node_search where title = 'Gemeinschaftsgarten'",
    )
    .fetch_one(env.log.pg())
    .await
    .unwrap();
    assert!(end);
}
