//! The search: who finds what, what it makes of hostile queries, pages, places, suggestions.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, Reply, node};

async fn tie(api: &Api, token: &str, body: Value) -> (Uuid, i64) {
    let id = Uuid::now_v7();
    let reply = api.command(token, &format!("/v1/nodes/{id}/tie"), body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (id, reply.position())
}

async fn titled(api: &Api, token: &str, title: &str) -> (Uuid, i64) {
    tie(api, token, node(title)).await
}

async fn at(api: &Api, token: &str, position: i64, path: &str, parameters: &[(&str, &str)]) -> Reply {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    api.get_at(&format!("{path}?{query}"), token, position).await
}

fn titles(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let items = reply.body["items"].as_array().unwrap().iter();
    items.map(|item| item["title"].as_str().unwrap()).collect()
}

async fn find(api: &Api, token: &str, position: i64, q: &str) -> Vec<String> {
    let reply = at(api, token, position, "/v1/search", &[("q", q)]).await;
    titles(&reply).into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_12_a_disabled_owners_private_node_vanishes_and_strangers_never_saw_it() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (owner, token) = api.person(&place, "Ada").await;
    let (_, other) = api.person(&place, "Bob").await;
    let (_, admin) = api.admin(&place).await;
    let mut body = node("Geheimer Hühnerstall");
    body["search_visibility"] = json!("private");
    let (id, tied) = tie(&api, &token, body).await;
    for (who, token) in [("stranger", ""), ("other", &other), ("admin", &admin)] {
        assert!(find(&api, token, tied, "Hühnerstall").await.is_empty(), "{who}");
        assert!(find(&api, token, tied, "Huehnerstal").await.is_empty(), "{who}, misspelt");
    }
    assert_eq!(find(&api, &token, tied, "Hühnerstall").await, ["Geheimer Hühnerstall"]);
    assert_eq!(find(&api, &token, tied, "Huehnerstal").await, ["Geheimer Hühnerstall"]);
    // Nobody is offered its title, not even its owner.
    let offered = at(&api, &token, tied, "/v1/search/suggest", &[("q", "Geh")]).await;
    assert!(titles(&offered).is_empty());

    let account = format!("/v1/accounts/{owner}");
    let disabled = api.command(&admin, &format!("{account}/disable"), json!({})).await;
    assert!(find(&api, &token, disabled.position(), "Hühnerstall").await.is_empty());
    let back = api.command(&admin, &format!("{account}/reactivate"), json!({})).await;
    assert_eq!(find(&api, &token, back.position(), "Hühnerstall").await, ["Geheimer Hühnerstall"]);

    let path = format!("/v1/nodes/{id}/set-visibility");
    let public = api.command(&token, &path, json!({"search_visibility": "public"})).await;
    assert_eq!(find(&api, "", public.position(), "Hühnerstall").await, ["Geheimer Hühnerstall"]);
    let hidden = api.command(&token, &path, json!({"search_visibility": "hidden"})).await;
    for token in ["", &token, &admin] {
        assert!(find(&api, token, hidden.position(), "Hühnerstall").await.is_empty());
    }
    let revoked = api.command(&admin, &path, json!({"search_visibility": "revoked"})).await;
    for token in ["", &token, &admin] {
        assert!(find(&api, token, revoked.position(), "Hühnerstall").await.is_empty());
    }
    let public = api.command(&admin, &path, json!({"search_visibility": "public"})).await;
    assert_eq!(find(&api, "", public.position(), "Hühnerstall").await, ["Geheimer Hühnerstall"]);
    let left = api.command(&token, &format!("{account}/leave"), json!({})).await;
    assert_eq!(left.status, 200, "{left:?}");
    assert_eq!(find(&api, "", left.position(), "Hühnerstall").await, ["Geheimer Hühnerstall"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revised_is_found_by_its_new_words_only_and_what_was_removed_not_at_all() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let (id, _) = titled(&api, &token, "Nähstube").await;
    let path = format!("/v1/nodes/{id}");
    let body = json!({"title": "Töpferei", "tags": ["ton"]});
    let revised = api.command(&token, &format!("{path}/revise"), body).await.position();
    assert!(find(&api, "", revised, "Nähstube").await.is_empty());
    assert_eq!(find(&api, "", revised, "Toepferei").await, ["Töpferei"]);
    let offered = at(&api, "", revised, "/v1/search/suggest", &[("q", "n")]).await;
    assert!(titles(&offered).is_empty());
    let removed = api.command(&token, &format!("{path}/remove"), json!({})).await.position();
    assert!(find(&api, "", removed, "Töpferei").await.is_empty());
    let offered = at(&api, "", removed, "/v1/search/suggest", &[("q", "t")]).await;
    assert!(titles(&offered).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_queries_are_refused_or_find_nothing() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let (_, last) = titled(&api, &token, "Garten").await;
    let long = "ä".repeat(512);
    let too_long = "ä".repeat(513);
    let words = "garten ".repeat(70);
    let many: String = (0..120).map(|n| format!("w{n} ")).collect();
    for path in ["/v1/search", "/v1/search/suggest"] {
        for bad in ["", "gar\0ten", &too_long] {
            let reply = at(&api, "", last, path, &[("q", bad)]).await;
            assert_eq!((reply.status, reply.problem()), (400, "bad-parameter"), "{path} {bad:?}");
        }
        for parameters in [
            &[][..],
            &[("q", "a"), ("x", "1")],
            &[("q", "a"), ("q", "b")],
            &[("q", "a"), ("limit", "0")],
            &[("q", "a"), ("limit", "101")],
        ] {
            let reply = at(&api, "", last, path, parameters).await;
            assert_eq!((reply.status, reply.problem()), (400, "bad-parameter"), "{path} {parameters:?}");
        }
        for nothing in [
            "!",
            "' or 1=1 --",
            "\\",
            "':*",
            "& | ! <-> ( )",
            "%_%",
            "🙂",
            " ",
            "x:*",
            "\u{10107}",
            "\u{202e}",
            &long,
            &many,
            "½ Ⅷ ㋿",
            "a\u{308}\u{308}\u{308}z",
        ] {
            let reply = at(&api, "", last, path, &[("q", nothing)]).await;
            assert!(titles(&reply).is_empty(), "{path} {nothing:?}: {reply:?}");
        }
    }
    for fine in ["garten & !x:*", "'garten'", "garten' & 'garten", "(garten", "garten:*", "<garten>", &words]
    {
        let reply = at(&api, "", last, "/v1/search", &[("q", fine)]).await;
        let expected: &[&str] = if fine.contains('x') { &[] } else { &["Garten"] };
        assert_eq!(titles(&reply), expected, "{fine}");
    }
    for near in ["", "1", "a,b", "181,0", "0,91", "NaN,NaN", "1,2,3", "inf,0"] {
        let reply = at(&api, "", last, "/v1/search", &[("q", "garten"), ("near", near)]).await;
        assert_eq!((reply.status, reply.problem()), (400, "bad-parameter"), "{near:?}");
    }
    for cursor in ["", "x", "AQ"] {
        let reply = at(&api, "", last, "/v1/search", &[("q", "garten"), ("cursor", cursor)]).await;
        assert_eq!((reply.status, reply.problem()), (400, "bad-parameter"), "{cursor:?}");
    }
    let map = at(&api, "", last, "/v1/nodes", &[("limit", "1")]).await;
    assert_eq!(map.status, 200);
    let late = at(&api, "", last + 1_000, "/v1/search", &[("q", "garten")]).await;
    assert_eq!((late.status, late.problem()), (503, "not-caught-up"));
    let forged = api.get("/v1/search?q=garten", "not.a.token").await;
    assert_eq!(forged.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_meet_by_stem_beginning_end_and_likeness_and_all_have_to() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut body = node("Gemeinschaftsgarten am Münsterplatz");
    (body["summary"], body["tags"]) = (json!("Hochbeete für alle"), json!(["gärtnern"]));
    let (_, last) = tie(&api, &token, body).await;
    for right in [
        "garten",
        "Gärten",
        "gemeinschaft",
        "Gemeinschaftgarten",
        "Muenster garten",
        "MUNSTERPLATZ",
        "hochbeet",
        "der Garten am Platz",
        "am",
        "gartnern",
        "Gaertnern",
        "Musterweg",
        "gemeinschafstgarten",
    ] {
        assert_eq!(find(&api, "", last, right).await.len(), 1, "{right}");
    }
    for wrong in ["garten berlin", "g", "a", "schaft xylophon", "karton", "Kölnplatz", "ute"] {
        assert!(find(&api, "", last, wrong).await.is_empty(), "{wrong}");
    }
    // The likeness of a word is not even looked for where somebody wrote the word itself.
    titled(&api, &token, "Gemeinschaftgarten").await;
    let (_, last) = titled(&api, &token, "Gemeinschaftsgarten").await;
    assert_eq!(find(&api, "", last, "Gemeinschaftgarten").await, ["Gemeinschaftgarten"]);
    assert_eq!(
        find(&api, "", last, "gemeinschaftsgarten").await[0],
        "Gemeinschaftsgarten",
        "the whole title first"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_by_score_and_by_distance() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut last = 0;
    for number in 0..7 {
        let mut body = node(&format!("Garten {number}"));
        body["location"] = json!({"lat": 53.5 + f64::from((number * 3) % 7) * 0.01, "lon": 10.0});
        body["kind"] = json!(if number % 2 == 0 { "beet" } else { "acker" });
        body["tags"] = json!([format!("tag{}", number % 3)]);
        last = tie(&api, &token, body).await.1;
    }
    let walk = async |extra: &[(&str, &str)], limit: &str| {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut parameters = vec![("q", "garten"), ("limit", limit)];
            parameters.extend_from_slice(extra);
            if let Some(cursor) = &cursor {
                parameters.push(("cursor", cursor));
            }
            let reply = at(&api, "", last, "/v1/search", &parameters).await;
            assert_eq!(
                (&reply.body["engine"], &reply.body["engine_position"]),
                (&json!("postgres"), &json!(last))
            );
            assert_eq!(reply.position(), last);
            found.extend(titles(&reply).into_iter().map(str::to_owned));
            match &reply.body["page"]["next_cursor"] {
                Value::String(next) => cursor = Some(next.clone()),
                _ => break found,
            }
        }
    };
    let all = walk(&[], "100").await;
    assert_eq!(all.len(), 7, "{all:?}");
    for limit in ["1", "2", "3", "7"] {
        assert_eq!(walk(&[], limit).await, all, "{limit}");
    }
    let near = [("near", "10,53.5")];
    let nearest = walk(&near, "2").await;
    let places: Vec<i32> = nearest
        .iter()
        .map(|title| (title.rsplit(' ').next().unwrap().parse::<i32>().unwrap() * 3) % 7)
        .collect();
    assert_eq!(places, [0, 1, 2, 3, 4, 5, 6], "{nearest:?}");
    let filtered = walk(&[("near", "10,53.5"), ("kind", "beet"), ("tag", "tag0,tag1")], "1").await;
    assert_eq!(filtered, ["Garten 0", "Garten 6", "Garten 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_are_distinct_titles_by_their_words() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut last = 0;
    for title in [
        "Münsterplatz",
        "Offener Bücherschrank",
        "Bücherschrank",
        "Bücherschrank",
        "Bücherschrank",
        "Bücherei Nord",
        "Neue Bücherei",
        "Bau Bau Bau",
    ] {
        last = titled(&api, &token, title).await.1;
    }
    let offered = async |q: &str, limit: &str| {
        let reply = at(&api, "", last, "/v1/search/suggest", &[("q", q), ("limit", limit)]).await;
        assert_eq!(reply.body["engine"], "postgres");
        titles(&reply).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    // Whole titles first, then later words.
    let all = ["Bücherei Nord", "Bücherschrank", "Neue Bücherei", "Offener Bücherschrank"];
    for prefix in ["Bücher", "Buecher", "bucher", "BÜCHER", "büche"] {
        assert_eq!(offered(prefix, "10").await, all, "{prefix}");
    }
    assert_eq!(offered("bücher", "3").await, all[..3]);
    assert_eq!(offered("bücherei n", "10").await, ["Bücherei Nord"]);
    for prefix in ["mue", "mü", "mu", "Münsterplatz"] {
        assert_eq!(offered(prefix, "10").await, ["Münsterplatz"], "{prefix}");
    }
    assert_eq!(offered("bau", "10").await, ["Bau Bau Bau"]);
    assert!(offered("cherei", "10").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_has_the_fields_of_an_item() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut body = node("Garten");
    (body["summary"], body["info"]) = (json!("Beete"), json!("# Hallo"));
    let (_, last) = tie(&api, &token, body).await;
    let reply = at(&api, "", last, "/v1/search", &[("q", "garten")]).await;
    let document = api.get("/openapi.json", "").await.body;
    let described = |shape: &str, optional: &[&str]| {
        let fields = document["components"]["schemas"][shape]["properties"].as_object().unwrap();
        let mut fields: Vec<_> =
            fields.keys().filter(|field| !optional.contains(&field.as_str())).cloned().collect();
        fields.sort();
        fields
    };
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&reply.body["items"][0]), described("SearchHit", &["erased"]));
    assert_eq!(keys(&reply.body), described("SearchList", &["stale"]));
    let offered = at(&api, "", last, "/v1/search/suggest", &[("q", "g")]).await;
    assert_eq!(keys(&offered.body), described("Suggestions", &[]));
    assert_eq!(keys(&offered.body["items"][0]), described("Suggestion", &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_and_verify_hold_for_the_search_too() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (owner, token) = api.person(&place, "Ada").await;
    let (_, admin) = api.admin(&place).await;
    let (garden, _) = titled(&api, &token, "Gemeinschaftsgarten").await;
    let (gone, _) = titled(&api, &token, "Flohmarkt").await;
    let mut body = node("Privatgarten");
    body["search_visibility"] = json!("private");
    tie(&api, &token, body).await;
    api.command(&token, &format!("/v1/nodes/{garden}/revise"), json!({"title": "Garten für alle"})).await;
    api.command(&token, &format!("/v1/nodes/{gone}/remove"), json!({})).await;
    let last = api.command(&admin, &format!("/v1/accounts/{owner}/disable"), json!({})).await.position();
    find(&api, "", last, "garten").await;
    for arguments in [&["verify", "node_search"][..], &["rebuild", "node_search"], &["verify", "node_search"]]
    {
        let (code, out, err) = tokio::task::block_in_place(|| place.replay(arguments));
        assert_eq!(code, 0, "replay {arguments:?}\n{out}\n{err}");
    }
    assert_eq!(find(&api, "", last, "garten").await, ["Garten für alle"]);
    assert_eq!(find(&api, &token, last, "garten").await, ["Garten für alle"]);
    sqlx::query("update node_search_g2.node_search set vector = 'x' where id = $1")
        .bind(garden)
        .execute(&place.log.owner_pool)
        .await
        .unwrap();
    let (code, out, err) = tokio::task::block_in_place(|| place.replay(&["verify", "node_search"]));
    assert_eq!(code, 1, "{out}\n{err}");
    assert!(out.contains("vector"), "{out}");
}
