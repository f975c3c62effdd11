//! Maps, pages, positions and conditional requests.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, node};

async fn tie_at(api: &Api, token: &str, title: &str, lat: f64, lon: f64, kind: &str, tags: &[&str]) -> i64 {
    let mut body = node(title);
    body["location"] = json!({"lat": lat, "lon": lon});
    body["kind"] = json!(kind);
    body["tags"] = json!(tags);
    let reply = api.command(token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.position()
}

async fn titles(api: &Api, query: &str, position: i64) -> Vec<String> {
    let mut found = vec![];
    let mut cursor = String::new();
    loop {
        let reply = api.get_at(&format!("/v1/nodes?{query}{cursor}"), "", position).await;
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        for item in reply.body["items"].as_array().unwrap() {
            found.push(item["title"].as_str().unwrap().to_owned());
        }
        match &reply.body["page"]["next_cursor"] {
            Value::String(next) if reply.body["page"]["has_more"] == true => {
                cursor = format!("&cursor={next}")
            }
            _ => break,
        }
    }
    let count = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), count, "an item came twice");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_finds_what_is_in_the_box_across_the_antimeridian_and_at_the_poles() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut last = 0;
    for (title, lat, lon) in [
        ("hamburg", 53.55, 9.99),
        ("altona", 53.55, 9.93),
        ("berlin", 52.52, 13.40),
        ("fiji east", -17.7, 178.0),
        ("fiji west", -17.7, -179.0),
        ("north pole", 90.0, 0.0),
        ("south pole", -90.0, 77.0),
    ] {
        last = tie_at(&api, &token, title, lat, lon, "ort", &[]).await;
    }
    assert_eq!(titles(&api, "bbox=9.9,53.5,10.1,53.6", last).await, ["altona", "hamburg"]);
    assert_eq!(titles(&api, "bbox=9.9,53.5,10.1,53.6&limit=1", last).await, ["altona", "hamburg"]);
    assert_eq!(titles(&api, "bbox=177,-20,-178,-10", last).await, ["fiji east", "fiji west"]);
    assert_eq!(titles(&api, "bbox=-180,80,180,90", last).await, ["north pole"]);
    assert_eq!(titles(&api, "bbox=-180,-90,180,-80", last).await, ["south pole"]);
    assert_eq!(titles(&api, "bbox=-180,-90,180,90&limit=2", last).await.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_are_an_or_set_and_tags_are_an_or_set_and_both_must_match() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    tie_at(&api, &token, "a", 53.5, 10.0, "garten", &["thema:natur", "ruhig"]).await;
    tie_at(&api, &token, "b", 53.5, 10.0, "werkstatt", &["thema:handwerk"]).await;
    let last = tie_at(&api, &token, "c", 53.5, 10.0, "laden", &["thema:natur"]).await;
    let everywhere = "bbox=-180,-90,180,90";
    assert_eq!(titles(&api, &format!("{everywhere}&kind=garten,laden"), last).await, ["a", "c"]);
    assert_eq!(titles(&api, &format!("{everywhere}&tag=ruhig,thema:handwerk"), last).await, ["a", "b"]);
    assert_eq!(
        titles(&api, &format!("{everywhere}&kind=garten,werkstatt&tag=thema:natur"), last).await,
        ["a"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_leaves_map_and_page_and_visibility_governs_neither() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    let body = json!({"search_visibility": "private"});
    let hidden = api.command(&token, &format!("/v1/nodes/{id}/set-visibility"), body).await;
    assert_eq!(titles(&api, "bbox=9,53,11,54", hidden.position()).await, ["Garten"]);
    let page = api.get_at(&format!("/v1/nodes/{id}"), "", hidden.position()).await;
    assert_eq!(page.body["search_visibility"], "private");
    let removed = api.command(&token, &format!("/v1/nodes/{id}/remove"), json!({})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    assert!(titles(&api, "bbox=9,53,11,54", removed.position()).await.is_empty());
    assert_eq!(api.get_at(&format!("/v1/nodes/{id}"), "", removed.position()).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_the_creators_present_title_a_history_and_an_etag() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (person, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    api.command(&token, &format!("/v1/nodes/{id}/revise"), json!({"title": "Beet", "info": "# Hallo"})).await;
    let path = format!("/v1/accounts/{person}/describe");
    let described = api.command(&token, &path, json!({"title": "Ada L."})).await;
    let page = api.get_at(&format!("/v1/nodes/{id}"), "", described.position()).await;
    assert_eq!(
        (page.status, &page.body["title"], &page.body["info"]),
        (200, &json!("Beet"), &json!("# Hallo"))
    );
    assert_eq!(page.body["creator"], json!({"id": person, "title": "Ada L."}), "{page:?}");
    assert_eq!(page.body["history"].as_array().unwrap().len(), 2, "{page:?}");
    assert_eq!(page.body["location"], json!({"lat": 53.55, "lon": 9.99}));
    let etag = page.header("etag").unwrap().to_owned();
    // Its live threads fade: the tag names the moment, too, and no later answer passes for it.
    assert!(etag.starts_with(&format!("\"2-{}@", page.position())), "{etag}");
    let request = api.request(Method::GET, &format!("/v1/nodes/{id}")).header("If-None-Match", &etag);
    assert_eq!(api.send(request).await.status, 200);
    // Who never did anything has no threads.
    let (idle, _) = api.person(&place, "Bob").await;
    let path = format!("/v1/accounts/{idle}");
    let position = described.position() + 1;
    let page = api.get_at(&path, "", position).await;
    let etag = page.header("etag").unwrap().to_owned();
    assert_eq!(etag, format!("\"1-{}\"", page.position()));
    let unchanged = api.send(api.request(Method::GET, &path).header("If-None-Match", &etag)).await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""), "{unchanged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_point_of_a_radius_account_is_stable_and_near() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (person, token) = api.person(&place, "Ada").await;
    let (lat, lon) = (53.561_234_5, 10.017_654_3);
    let path = format!("/v1/accounts/{person}/place");
    let body = json!({"map_state": "radius", "radius_m": 400, "location": {"lat": lat, "lon": lon}});
    let placed = api.command(&token, &path, body).await;
    let account = format!("/v1/accounts/{person}");
    let shown = api.get_at(&account, "", placed.position()).await;
    let point = shown.body["public_position"].clone();
    let (public_lat, public_lon) = (point["lat"].as_f64().unwrap(), point["lon"].as_f64().unwrap());
    let metres = (((public_lat - lat) * 111_195.0).powi(2)
        + ((public_lon - lon) * 111_195.0 * lat.to_radians().cos()).powi(2))
    .sqrt();
    assert!((0.009..=401.0).contains(&metres), "{metres} m");
    api.command(&token, &path, json!({"map_state": "not_on_map"})).await;
    let back = api.command(&token, &path, json!({"map_state": "radius"})).await;
    let again = place.api().await.get_at(&account, "", back.position()).await;
    assert_eq!(again.body["public_position"], point, "the point has moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_list_shows_the_log_as_stored_and_filters() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (person, token) = api.person(&place, "Ada").await;
    let id = Uuid::now_v7();
    api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    let auditor = place.token(person, "auditor");
    let all = api.get("/v1/audit/events", &auditor).await;
    assert_eq!(all.status, 200, "{all:?}");
    let items = all.body["items"].as_array().unwrap();
    let positions: Vec<_> = items.iter().map(|item| item["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3]);
    assert!(items[0]["payload"]["email"]["$sealed"]["box"].is_string(), "{}", items[0]);
    assert!(items[0].get("salt").is_none() && items[0]["payload_hash"].is_string());
    let types = |reply: &crate::support::Reply| -> Vec<String> {
        let items = reply.body["items"].as_array().unwrap().iter();
        items.map(|item| item["type"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        (format!("aggregate=node/{id}"), vec!["NodeTied"]),
        ("aggregate=account".to_owned(), vec!["AccountRegistered"]),
        ("type=ConversationOpened".to_owned(), vec!["ConversationOpened"]),
        (format!("actor={person}&after=1"), vec!["NodeTied", "ConversationOpened"]),
        ("after=2&limit=1".to_owned(), vec!["ConversationOpened"]),
        ("after=3".to_owned(), vec![]),
    ] {
        let reply = api.get(&format!("/v1/audit/events?{query}"), &auditor).await;
        assert_eq!(
            (reply.status, types(&reply)),
            (200, expected.iter().map(|t| (*t).to_owned()).collect()),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_metrics_and_the_document_answer() {
    let place = Installation::new().await;
    let api = place.api().await;
    api.person(&place, "Ada").await;
    assert_eq!(api.get("/health/live", "").await.status, 200);
    let ready = api.get("/health/ready", "").await;
    assert_eq!((ready.status, &ready.body["status"]), (200, &json!("healthy")), "{ready:?}");
    let metrics = api.get("/metrics", "").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text.contains("# TYPE"), "{}", metrics.text);
    let document = api.get("/openapi.json", "").await;
    assert_eq!(document.status, 200);
    assert!(document.body["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document.body["paths"].as_object().unwrap();
    for path in ["/v1/nodes/{id}/tie", "/v1/accounts/{id}/change-email", "/v1/audit/events"] {
        assert!(paths.contains_key(path), "{path} is not documented");
    }
}
