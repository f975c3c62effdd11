//! The benchmark's parts about listeners and the map, in their short form: everything arrives once.
//! Nothing is said about how fast.

use bench::{
    live::{Crowd, SHORT},
    map::{Cities, Span, clusters, fill, look},
};

use crate::support::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_listeners_hear_every_tie_once() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let address = api.url.trim_start_matches("http://").parse().unwrap();
    let crowd = Crowd::gather(address, SHORT.listeners).await.unwrap();
    let heard = crowd.hear(address, &token, SHORT).await.unwrap();
    assert_eq!(heard.deliveries, SHORT.listeners * SHORT.ties);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filled_map_answers_cities_and_continents() {
    let place = Installation::new().await;
    let (cities, nodes) = (Cities::new(11), 3_000);
    fill(&place.log.owner_pool, &place.log.log, &cities, nodes).await.unwrap();
    let api = place.api_with(&[("ROLES", "query")]).await;
    let address = api.url.trim_start_matches("http://").parse().unwrap();
    let turn = look(address, &cities, Span::SHORT).await.unwrap();
    assert!(turn.per_second > 0.0);
    assert!(clusters(address, Span::SHORT).await.unwrap().per_second > 0.0);
    let world = api.get("/v1/nodes?cluster=0", "").await;
    let counted: u64 =
        world.body["clusters"].as_array().unwrap().iter().map(|cell| cell["count"].as_u64().unwrap()).sum();
    let public: i64 =
        sqlx::query_scalar("select count(*) from events where payload ->> 'search_visibility' = 'public'")
            .fetch_one(&place.log.owner_pool)
            .await
            .unwrap();
    assert_eq!(i64::try_from(counted).unwrap(), public);
}
