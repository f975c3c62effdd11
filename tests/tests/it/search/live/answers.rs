use embedded::Part;
use serde_json::{Value, json};
use uuid::Uuid;

use super::server::{Engine, PARTS};
use crate::{
    http::relevance::{is_enough, right_answers},
    support::{Api, Installation, node},
};

async fn relevance(part: Part) {
    let Some(engine) = Engine::start(part).await else { return };
    let place = Installation::new().await;
    let api = engine.api(&place).await;
    let counts = right_answers(&api, &place, engine.name).await;
    engine.note("relevance", json!({"right": counts.0, "queries": counts.1})).await;
    assert!(is_enough(counts), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn typesense_finds_what_people_hope_for() {
    relevance(Part::Typesense).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn meilisearch_finds_what_people_hope_for() {
    relevance(Part::Meilisearch).await;
}

async fn tie(api: &Api, token: &str, body: Value) -> (Uuid, i64) {
    let id = Uuid::now_v7();
    let reply = api.command(token, &format!("/v1/nodes/{id}/tie"), body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (id, reply.position())
}

struct Asking<'a> {
    api: &'a Api,
    engine: &'a str,
}

impl Asking<'_> {
    async fn titles(&self, token: &str, position: i64, parameters: &[(&str, &str)]) -> Vec<String> {
        self.titles_at("/v1/search", token, position, parameters).await
    }

    async fn titles_at(
        &self,
        path: &str,
        token: &str,
        position: i64,
        parameters: &[(&str, &str)],
    ) -> Vec<String> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let reply = self.api.get_by(self.engine, &format!("{path}?{query}"), token, position).await;
        let items = reply.body["items"].as_array().unwrap().iter();
        items.map(|item| item["title"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn umlauts_stems_and_typing_errors_meet_on_every_engine() {
    for part in PARTS {
        let Some(engine) = Engine::start(part).await else { continue };
        let place = Installation::new().await;
        let api = engine.api(&place).await;
        let (_, token) = api.person(&place, "Ada").await;
        let ask = Asking { api: &api, engine: engine.name };
        tie(&api, &token, node("Fahrräder in Münster")).await;
        let (_, last) = tie(&api, &token, node("Gemeinschaftsgarten")).await;
        for q in ["Münster", "Muenster", "Munster", "Fahrrad", "Fahrräder", "fahrad"] {
            assert_eq!(
                ask.titles("", last, &[("q", q)]).await,
                ["Fahrräder in Münster"],
                "{}: {q}",
                engine.name
            );
        }
        for q in ["garten", "der Gemeinschaftsgarten", "gemeinschafstgarten"] {
            assert_eq!(
                ask.titles("", last, &[("q", q)]).await,
                ["Gemeinschaftsgarten"],
                "{}: {q}",
                engine.name
            );
        }
        for q in ["garten münster", "xylophon", "!"] {
            assert!(ask.titles("", last, &[("q", q)]).await.is_empty(), "{}: {q}", engine.name);
        }
        let offered = ask.titles_at("/v1/search/suggest", "", last, &[("q", "mue")]).await;
        assert_eq!(offered, ["Fahrräder in Münster"], "{}", engine.name);
        assert!(ask.titles_at("/v1/search/suggest", "", last, &[("q", "unster")]).await.is_empty());
        engine.note("umlauts", json!(true)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_places_and_pages_are_the_same_on_every_engine() {
    for part in PARTS {
        let Some(engine) = Engine::start(part).await else { continue };
        let place = Installation::new().await;
        let api = engine.api(&place).await;
        let (_, token) = api.person(&place, "Ada").await;
        let ask = Asking { api: &api, engine: engine.name };
        let mut last = 0;
        for number in 0..7 {
            let mut body = node(&format!("Garten {number}"));
            body["location"] = json!({"lat": 53.5 + f64::from((number * 3) % 7) * 0.01, "lon": 10.0});
            body["kind"] = json!(if number % 2 == 0 { "beet" } else { "acker" });
            body["tags"] = json!([format!("tag:{}", number % 3)]);
            last = tie(&api, &token, body).await.1;
        }
        let near = [("q", "garten"), ("near", "10,53.5"), ("limit", "7")];
        let nearest = ask.titles("", last, &near).await;
        let places: Vec<u32> =
            nearest.iter().map(|title| title[7..].parse::<u32>().unwrap() * 3 % 7).collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5, 6], "{}: {nearest:?}", engine.name);
        let filtered = [("q", "garten"), ("near", "10,53.5"), ("kind", "beet"), ("tag", "tag:0,tag:1")];
        assert_eq!(
            ask.titles("", last, &filtered).await,
            ["Garten 0", "Garten 6", "Garten 4"],
            "{}",
            engine.name
        );
        // Page by page it is the same list.
        let (mut walked, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs([("q", "garten"), ("near", "10,53.5"), ("limit", "3")]);
            if let Some(cursor) = &cursor {
                query.append_pair("cursor", cursor);
            }
            let path = format!("/v1/search?{}", query.finish());
            let reply = api.get_by(engine.name, &path, "", last).await;
            let items = reply.body["items"].as_array().unwrap().iter();
            walked.extend(items.map(|item| item["title"].as_str().unwrap().to_owned()));
            match &reply.body["page"]["next_cursor"] {
                Value::String(next) => cursor = Some(next.clone()),
                _ => break,
            }
        }
        assert_eq!(walked, nearest, "{}", engine.name);
        engine.note("filters", json!(true)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_nodes_are_their_active_owners_and_hidden_ones_nobodys_on_every_engine() {
    for part in PARTS {
        let Some(engine) = Engine::start(part).await else { continue };
        let place = Installation::new().await;
        let api = engine.api(&place).await;
        let (owner, token) = api.person(&place, "Ada").await;
        let (_, other) = api.person(&place, "Bob").await;
        let (_, admin) = api.admin(&place).await;
        let ask = Asking { api: &api, engine: engine.name };
        let found =
            async |token: &str, at: i64| !ask.titles(token, at, &[("q", "Hühnerstall")]).await.is_empty();
        let mut body = node("Geheimer Hühnerstall");
        body["search_visibility"] = json!("private");
        let (id, tied) = tie(&api, &token, body).await;
        assert!(!found("", tied).await && !found(&other, tied).await && found(&token, tied).await);
        let offered = ask.titles_at("/v1/search/suggest", &token, tied, &[("q", "Geh")]).await;
        assert!(offered.is_empty());
        let account = format!("/v1/accounts/{owner}");
        let disabled = api.command(&admin, &format!("{account}/disable"), json!({})).await.position();
        assert!(!found(&token, disabled).await);
        let back = api.command(&admin, &format!("{account}/reactivate"), json!({})).await.position();
        assert!(found(&token, back).await);
        let path = format!("/v1/nodes/{id}/set-visibility");
        for (word, visible) in [("public", true), ("hidden", false), ("public", true)] {
            let changed = api.command(&token, &path, json!({"search_visibility": word})).await.position();
            assert_eq!(found("", changed).await, visible, "{}: {word}", engine.name);
        }
        let removed = api.command(&token, &format!("/v1/nodes/{id}/remove"), json!({})).await.position();
        assert!(!found(&token, removed).await);
        engine.note("visibility", json!(true)).await;
    }
}
