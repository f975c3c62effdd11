//! Clusters of the map.

use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, node};

#[tokio::test(flavor = "multi_thread")]
async fn a_wide_box_is_answered_with_counts_of_what_everybody_may_find() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut last = 0;
    let cities = [(53.55, 9.99, 5), (48.14, 11.58, 3), (-33.87, 151.21, 2), (0.0, 180.0, 1), (-90.0, 0.0, 1)];
    for (lat, lon, count) in cities {
        for index in 0..count {
            let mut body = node("Garten");
            body["location"] = json!({"lat": lat, "lon": lon + f64::from(index) * 1e-4});
            last = api.command(&token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), body).await.position();
        }
    }
    for visibility in ["private", "hidden"] {
        let mut body = node("Verborgen");
        body["search_visibility"] = json!(visibility);
        last = api.command(&token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), body).await.position();
    }
    let ask = async |query: &str| api.get_at(&format!("/v1/nodes?{query}"), "", last).await;
    let total = |reply: &crate::support::Reply| -> u64 {
        reply.body["clusters"].as_array().unwrap().iter().map(|c| c["count"].as_u64().unwrap()).sum()
    };
    for resolution in 0..=5 {
        let world = ask(&format!("cluster={resolution}")).await;
        assert_eq!((world.status, total(&world)), (200, 12), "{world:?}");
        assert!(world.position() >= last && world.body["items"].is_null());
        assert_eq!(world.body["resolution"], resolution);
    }
    let hamburg = "bbox=9.9,53.5,10.1,53.6";
    for resolution in 3..=9 {
        let city = ask(&format!("{hamburg}&cluster={resolution}")).await;
        assert_eq!((city.status, total(&city)), (200, 5), "{resolution} {city:?}");
    }
    let auto = ask(&format!("{hamburg}&cluster=auto")).await;
    assert_eq!(total(&auto), 5);
    assert!(auto.body["resolution"].as_u64().unwrap() > 5);
    assert!(ask("bbox=5,47,15,55&cluster=auto").await.body["resolution"].as_u64().unwrap() < 5);
    // A node that goes out of sight is counted no more.
    let page = api.get("/v1/nodes?bbox=151,-34,152,-33&limit=1", "").await;
    let id = page.body["items"][0]["id"].as_str().unwrap().to_owned();
    let hide = json!({"search_visibility": "hidden"});
    let hidden = api.command(&token, &format!("/v1/nodes/{id}/set-visibility"), hide).await.position();
    let sydney = api.get_at("/v1/nodes?bbox=151,-34,152,-33&cluster=4", "", hidden).await;
    assert_eq!(total(&sydney), 1);
    for bad in ["cluster=10", "cluster=x", "cluster=6", "cluster=3&kind=a", "cluster=3&limit=5", "cluster="] {
        assert_eq!(ask(bad).await.status, 400, "{bad}");
    }
}
