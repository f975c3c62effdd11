//! Accounts on the map: only where and while they want to be there.

use std::sync::Arc;

use eventstore::keys::{Kek, KeyStore, PgKeyStore, PgKeyStoreOptions};
use kernel::Class;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, Reply};

const LAT: f64 = 53.561_234_5;
const LON: f64 = 10.017_654_3;
const AROUND: &str = "bbox=9.9,53.5,10.1,53.6";

async fn place_at(api: &Api, (id, token): (Uuid, &str), body: Value) -> i64 {
    let reply = api.command(token, &format!("/v1/accounts/{id}/place"), body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.position()
}

async fn at(api: &Api, query: &str, position: i64) -> Reply {
    let reply = api.get_at(&format!("/v1/accounts?{query}"), "", position).await;
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    assert!(reply.position() >= position, "{reply:?}");
    reply
}

fn ids(reply: &Reply) -> Vec<Uuid> {
    let items = reply.body["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect()
}

async fn walk(api: &Api, query: &str, position: i64) -> Vec<Uuid> {
    let (mut found, mut cursor) = (vec![], String::new());
    loop {
        let reply = at(api, &format!("{query}{cursor}"), position).await;
        found.extend(ids(&reply));
        match &reply.body["page"]["next_cursor"] {
            Value::String(next) if reply.body["page"]["has_more"] == true => {
                cursor = format!("&cursor={next}")
            }
            _ => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_8_a_radius_account_shows_at_its_random_point_which_never_moves_and_never_at_its_anchor() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (ada, token) = api.person(&place, "Ada").await;
    let body = json!({"map_state": "radius", "radius_m": 400, "location": {"lat": LAT, "lon": LON}});
    let placed = place_at(&api, (ada, &token), body).await;
    let shown = at(&api, AROUND, placed).await;
    let item = shown.body["items"][0].clone();
    assert_eq!(ids(&shown), [ada]);
    assert_eq!(
        (&item["title"], &item["role"], &item["map_state"], &item["radius_m"]),
        (&json!("Ada"), &json!("guest"), &json!("radius"), &json!(400))
    );
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let page = api.get_at(&format!("/v1/accounts/{ada}"), "", placed).await;
    assert_eq!(item["public_position"], page.body["public_position"]);

    place_at(&api, (ada, &token), json!({"map_state": "not_on_map"})).await;
    let back = place_at(&api, (ada, &token), json!({"map_state": "radius"})).await;
    let again = at(&api, AROUND, back).await;
    // Another process makes its grid from the rows; so does one after a rebuild of them.
    let other = place.api().await;
    let elsewhere = at(&other, AROUND, back).await;
    let (code, out, err) = place.replay(&["rebuild", "account_page"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let moved = place_at(&api, (ada, &token), json!({"map_state": "radius", "radius_m": 400})).await;
    let rebuilt = at(&other, AROUND, moved).await;
    for reply in [&shown, &again, &elsewhere, &rebuilt] {
        assert_eq!(reply.body["items"][0]["public_position"], item["public_position"], "{reply:?}");
        for number in [LAT, LON] {
            assert!(!reply.text.contains(&number.to_string()), "the anchor is in an answer: {}", reply.text);
        }
    }
    assert!(!api.log().contains("53.56") && !other.log().contains("53.56"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hides_is_disabled_or_leaves_is_not_on_the_map() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (ada, token) = api.person(&place, "Ada").await;
    let (bob, bobs) = api.person(&place, "Bob").await;
    let (_, admin) = api.admin(&place).await;
    let exact = json!({"map_state": "exact", "location": {"lat": LAT, "lon": LON}});
    place_at(&api, (bob, &bobs), exact.clone()).await;
    let placed = place_at(&api, (ada, &token), exact.clone()).await;
    let both = at(&api, AROUND, placed).await;
    assert_eq!(ids(&both).len(), 2, "{both:?}");
    let item = both.body["items"].as_array().unwrap().iter().find(|item| item["id"] == json!(ada)).unwrap();
    assert_eq!(item["public_position"], json!({"lat": LAT, "lon": LON}));
    assert!(ids(&at(&api, "bbox=0,0,9,53", placed).await).is_empty());

    let hidden = place_at(&api, (ada, &token), json!({"map_state": "not_on_map"})).await;
    assert_eq!(ids(&at(&api, AROUND, hidden).await), [bob]);
    place_at(&api, (ada, &token), json!({"map_state": "exact"})).await;
    let moved = json!({"map_state": "exact", "location": {"lat": -17.7, "lon": 179.99}});
    let moved = place_at(&api, (ada, &token), moved).await;
    assert_eq!(ids(&at(&api, AROUND, moved).await), [bob]);
    assert_eq!(ids(&at(&api, "bbox=179,-20,-179,-10", moved).await), [ada]);

    let act = async |word: &str, token: &str| {
        let reply = api.command(token, &format!("/v1/accounts/{bob}/{word}"), json!({})).await;
        assert_eq!(reply.status, 200, "{word}: {reply:?}");
        reply.position()
    };
    let disabled = act("disable", &admin).await;
    assert!(ids(&at(&api, AROUND, disabled).await).is_empty());
    let active = act("reactivate", &admin).await;
    assert_eq!(ids(&at(&api, AROUND, active).await), [bob]);
    let left = act("leave", &bobs).await;
    assert!(ids(&at(&api, AROUND, left).await).is_empty());
    assert_eq!(ids(&at(&place.api().await, "", left).await), [ada]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_walk_everybody_once_also_across_the_antimeridian() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (mut last, mut people) = (0, vec![]);
    for (lat, lon) in [(53.5, 10.0), (53.5, 10.0), (-17.0, 179.9), (-17.0, -179.9), (90.0, 5.0)] {
        let (id, token) = api.person(&place, "Ada").await;
        let body = json!({"map_state": "exact", "location": {"lat": lat, "lon": lon}});
        last = place_at(&api, (id, &token), body).await;
        people.push(id);
    }
    let all = walk(&api, "bbox=-180,-90,180,90", last).await;
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!((all.len(), sorted), (5, people.clone()));
    for limit in [1, 2, 4] {
        assert_eq!(walk(&api, &format!("limit={limit}"), last).await, all, "limit {limit}");
    }
    let mut fiji = walk(&api, "bbox=179,-20,-179,-10&limit=1", last).await;
    fiji.sort_unstable();
    assert_eq!(fiji, people[2..4]);
    for bad in ["limit=0", "limit=1001", "cursor=x", "bbox=1,2", "near=1,2"] {
        assert_eq!(api.get(&format!("/v1/accounts?{bad}"), "").await.problem(), "bad-parameter", "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_place_is_on_no_map_and_an_erased_title_is_null() {
    let place = Installation::new().await;
    let api = place.api().await;
    let body = json!({"map_state": "exact", "location": {"lat": LAT, "lon": LON}});
    let (ada, ada_token) = api.person(&place, "Ada").await;
    let (bob, bob_token) = api.person(&place, "Bob").await;
    place_at(&api, (ada, &ada_token), body.clone()).await;
    let last = place_at(&api, (bob, &bob_token), body).await;
    assert_eq!(ids(&at(&api, AROUND, last).await).len(), 2);

    let kek = Kek::load(None, &place.data.path().join("keys").join("kek")).unwrap();
    let pool = sqlx::PgPool::connect(&place.keys.keys_database_url).await.unwrap();
    let keys = PgKeyStore::connect(pool, Arc::new(kek), PgKeyStoreOptions::default()).await.unwrap();
    keys.erase(ada, &[Class::Location]).await.unwrap();
    keys.erase(bob, &[Class::Identity]).await.unwrap();
    // A process without the keys in memory; the others forget them when their leases end.
    let fresh = at(&place.api().await, AROUND, last).await;
    assert_eq!(ids(&fresh), [bob]);
    let item = &fresh.body["items"][0];
    assert_eq!((&item["title"], &item["erased"]), (&Value::Null, &json!(["/title"])));
}
