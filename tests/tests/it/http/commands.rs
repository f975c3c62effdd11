//! Answers, idempotency and preconditions of commands.

use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, node};

#[tokio::test(flavor = "multi_thread")]
async fn a_tie_answers_with_version_position_events_and_etag() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    let reply = api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("etag"), Some("\"1\""));
    let body = &reply.body;
    assert_eq!((&body["aggregate_type"], &body["aggregate_id"]), (&json!("node"), &json!(id)));
    assert_eq!((&body["version"], &body["position"]), (&json!(1), &json!(3)));
    let events = body["events"].as_array().unwrap();
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["NodeTied", "ConversationOpened"]);
    assert_eq!((&events[0]["position"], &events[1]["position"]), (&json!(2), &json!(3)));
    let page = api.get_at(&format!("/v1/nodes/{id}"), "", reply.position()).await;
    assert_eq!((page.status, &page.body["title"]), (200, &json!("Garten")), "{page:?}");
    assert!(page.position() >= reply.position());
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_1_the_same_key_and_body_get_the_first_answer_again() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    let key = [("Idempotency-Key", "first try")];
    let tie = format!("/v1/nodes/{id}/tie");
    let first = api.command_with(&token, &tie, node("Garten"), &key).await;
    assert_eq!(first.status, 200, "{first:?}");
    let revise = format!("/v1/nodes/{id}/revise");
    assert_eq!(api.command(&token, &revise, json!({"title": "Beet"})).await.status, 200);
    let before = place.events().await;
    // Same meaning, other order of fields and spaces: the body is compared in canonical form.
    let again = api.command_with(&token, &tie, node("Garten"), &key).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    let other = api.command_with(&token, &tie, node("Anders"), &key).await;
    assert_eq!((other.status, other.problem()), (422, "key-reused"));
    // Another person's equal key is another key.
    let (_, stranger) = api.person(&place, "Bob").await;
    let foreign = api.command_with(&stranger, &tie, node("Garten"), &key).await;
    assert_eq!((foreign.status, foreign.problem()), (409, "already-exists"));
    assert_eq!(place.events().await, before + 1, "only Bob's registration");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_equal_requests_at_once_one_acts_and_both_get_its_answer() {
    let place = Installation::new().await;
    let (one, two) = (place.api().await, place.api().await);
    let (_, token) = one.person(&place, "Ada").await;
    for round in 0..8 {
        let id = Uuid::now_v7();
        let path = format!("/v1/nodes/{id}/tie");
        let key = format!("round {round}");
        let headers = [("Idempotency-Key", key.as_str())];
        let before = place.events().await;
        let (a, b) = tokio::join!(
            one.command_with(&token, &path, node("Garten"), &headers),
            two.command_with(&token, &path, node("Garten"), &headers),
        );
        assert_eq!((a.status, b.status), (200, 200), "{a:?} {b:?}");
        assert_eq!(a.body, b.body);
        assert_eq!(place.events().await, before + 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_op_answers_with_no_events_and_keeps_its_receipt() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    let path = format!("/v1/nodes/{id}/revise");
    let key = [("Idempotency-Key", "same title")];
    let nothing = api.command_with(&token, &path, json!({"title": "Garten"}), &key).await;
    assert_eq!((nothing.status, &nothing.body["events"]), (200, &json!([])), "{nothing:?}");
    assert_eq!((&nothing.body["version"], &nothing.body["position"]), (&json!(1), &json!(2)));
    api.command(&token, &path, json!({"title": "Beet"})).await;
    let again = api.command_with(&token, &path, json!({"title": "Garten"}), &key).await;
    assert_eq!((again.status, &again.body), (200, &nothing.body), "decided once, answered alike");
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_2_of_two_writers_with_one_if_match_one_wins_and_the_other_gets_412() {
    let place = Installation::new().await;
    let (one, two) = (place.api().await, place.api().await);
    let (_, token) = one.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    one.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    let path = format!("/v1/nodes/{id}/revise");
    let mut last = 0;
    for version in 1..10 {
        let etag = format!("\"{version}\"");
        let headers = [("If-Match", etag.as_str())];
        let (a, b) = tokio::join!(
            one.command_with(&token, &path, json!({"title": format!("a{version}")}), &headers),
            two.command_with(&token, &path, json!({"title": format!("b{version}")}), &headers),
        );
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{a:?} {b:?}");
        last = if a.status == 200 { a.position() } else { b.position() };
    }
    // A page's ETag names version and position; the version is what counts here.
    let page = one.get_at(&format!("/v1/nodes/{id}"), "", last).await;
    let etag = page.header("etag").unwrap().to_owned();
    let reply = one.command_with(&token, &path, json!({"title": "c"}), &[("If-Match", &etag)]).await;
    assert_eq!(reply.status, 200, "{etag}: {reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_on_one_node_all_succeed() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    let path = format!("/v1/nodes/{id}/revise");
    let replies = futures::future::join_all((0..64).map(|n| {
        let body = json!({"title": format!("Titel {n}")});
        api.command(&token, &path, body)
    }))
    .await;
    let mut versions: Vec<i64> = replies
        .iter()
        .map(|reply| {
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.body["version"].as_i64().unwrap()
        })
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=65).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_aggregate_is_snapshotted_and_goes_on_the_same_in_another_process() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (id, token) = api.person(&place, "Ada").await;
    for n in 0..130 {
        let body = json!({"title": format!("Ada {n}"), "summary": "am Fluss"});
        let reply = api.command(&token, &format!("/v1/accounts/{id}/describe"), body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let second = place.api().await;
    let describe = format!("/v1/accounts/{id}/describe");
    assert_eq!(second.command(&token, &describe, json!({"title": "neu"})).await.status, 200);
    let mut state = None;
    for _ in 0..100 {
        state = sqlx::query_as::<_, (i64, String)>("select version, state::text from snapshots")
            .fetch_optional(&place.log.owner_pool)
            .await
            .unwrap();
        if state.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (version, state) = state.expect("a snapshot");
    assert!(version >= 100);
    assert!(state.contains("$sealed") && !state.contains("am Fluss"), "a snapshot in clear");
    let third = place.api().await;
    let unchanged = third.command(&token, &describe, json!({"title": "neu", "summary": "am Fluss"})).await;
    assert_eq!((unchanged.status, &unchanged.body["events"]), (200, &json!([])), "{unchanged:?}");
}
