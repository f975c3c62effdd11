use eventstore::subscription::PostgresProjection;
use serde_json::json;
use uuid::Uuid;

use super::{NodeMap, nodes_in_bbox};
use crate::{
    MapCursor, ReadError,
    geo::{BBox, cell_of},
    testing::{Numbers, Scratch, Story, fold},
    weave::node::{
        NodeArrays, NodeShape,
        tests::{NODE, redacted, story, tied, tied_with},
    },
};

#[test]
fn a_removed_node_leaves_the_map_and_a_hidden_one_stays() {
    for visibility in ["hidden", "private", "revoked"] {
        let changed = json!({"from": "public", "to": visibility});
        let rows = fold(&NodeMap, &story().then("NodeVisibilityChanged", changed).events).unwrap();
        assert_eq!(rows[&NODE].search_visibility.as_str(), visibility);
    }
    let removed = story().then("NodeRemoved", json!({"last_title": "Brotbackofen"}));
    assert!(fold(&NodeMap, &removed.events).unwrap().is_empty());
}

#[test]
fn a_node_has_its_points_cell_and_none_without_a_place() {
    let lost = Story::of("node", NODE).then("NodeTied", tied_with("location", redacted()));
    for (events, cell) in [(story().events, cell_of(53.55, 9.99)), (lost.events, None)] {
        let rows = fold(&NodeMap, &events).unwrap();
        assert_eq!(NodeArrays::of(rows.values()).cells, [cell]);
    }
}

#[test]
fn the_schema_is_unqualified() {
    assert!(!NodeMap::SCHEMA.contains("node_map."));
}

fn node(id: u128, kind: &str, tags: &[&str], (lat, lon): (f64, f64)) -> Story {
    let mut payload = tied();
    payload["kind"] = json!(kind);
    payload["tags"] = json!(tags);
    payload["location"] = json!({"lat": lat, "lon": lon});
    Story::of("node", Uuid::from_u128(id)).then("NodeTied", payload)
}

/// Every page of a list, each asked for with the cursor of the one before.
async fn walk(scratch: &Scratch, bbox: BBox, kinds: &[&str], tags: &[&str], limit: u16) -> Vec<NodeShape> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (kinds, tags) = (owned(kinds), owned(tags));
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let page = nodes_in_bbox(&scratch.pool, bbox, &kinds, &tags, limit, cursor).await.unwrap();
        assert_eq!(page.has_more, page.next_cursor.is_some());
        assert_eq!((page.position, page.epoch), (10, 1));
        items.extend(page.items);
        match page.next_cursor {
            None => return items,
            Some(text) => cursor = Some(MapCursor::parse(&text).unwrap()),
        }
    }
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn pages_hold_every_node_of_the_box_once_and_in_order() {
    let scratch = Scratch::begin().await;
    let world = BBox::new(-180.0, -90.0, 180.0, 90.0).unwrap();
    assert!(nodes_in_bbox(&scratch.pool, world, &[], &[], 10, None).await.unwrap().items.is_empty());

    let mut numbers = Numbers(42);
    let mut places = vec![(90.0, 12.0), (-90.0, 0.0), (0.0, 180.0), (0.0, -180.0), (50.0, 180.0)];
    // Half of them in one town, some on the very same spot.
    places.extend((0..1_000).map(|_| numbers.place()));
    places.extend((0..1_000).map(|_| (numbers.between(53.5, 53.6), numbers.between(9.9, 10.1))));
    places.extend([(53.55, 10.0); 20]);
    let kinds = ["Ort", "Projekt", "selten"];
    let nodes: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(index, place)| {
            let kind = if index % 500 == 7 { kinds[2] } else { kinds[index % 2] };
            let tags: &[&str] = if index % 3 == 0 { &["a", "q\"\\,{}"] } else { &["b"] };
            (index, kind, tags, *place)
        })
        .collect();
    let events: Vec<_> = nodes
        .iter()
        .flat_map(|(index, kind, tags, at)| node(*index as u128, kind, tags, *at).events)
        .collect();
    for page in events.chunks(700) {
        scratch.apply(&NodeMap, page).await;
    }

    let boxes = [
        (-180.0, -90.0, 180.0, 90.0),
        (9.9, 53.5, 10.1, 53.6),
        (9.95, 53.54, 10.0, 53.55),
        (150.0, -60.0, -150.0, 60.0),
        (170.0, -1.0, 180.0, 60.0),
        (-180.0, -1.0, -170.0, 60.0),
        (40.0, 60.0, 41.0, 90.0),
        (-10.0, -90.0, 10.0, -89.9),
        (10.0, 53.55, 10.0, 53.55),
    ];
    type Filter = (&'static [&'static str], &'static [&'static str]);
    let filters: [Filter; 6] = [
        (&[], &[]),
        (&["selten"], &[]),
        (&["Ort", "selten"], &[]),
        (&[], &["q\"\\,{}"]),
        (&["Ort"], &["a", "b"]),
        (&["fehlt"], &["a"]),
    ];
    for (west, south, east, north) in boxes {
        let bbox = BBox::new(west, south, east, north).unwrap();
        for (kinds, tags) in filters {
            let any =
                |wanted: &[&str], has: &[&str]| wanted.is_empty() || wanted.iter().any(|w| has.contains(w));
            let mut expected: Vec<_> = nodes
                .iter()
                .filter(|(_, kind, has, (lat, lon))| {
                    bbox.contains(*lat, *lon) && any(kinds, &[*kind]) && any(tags, has)
                })
                .map(|(index, _, _, (lat, lon))| (cell_of(*lat, *lon), Uuid::from_u128(*index as u128)))
                .collect();
            expected.sort_unstable();
            let found = walk(&scratch, bbox, kinds, tags, 97).await;
            let found: Vec<_> = found.iter().map(|node| node.id).collect();
            let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
            assert_eq!(found, expected, "{bbox:?} {kinds:?} {tags:?}");
        }
    }

    let first = Uuid::from_u128(0);
    let removed =
        Story::of("node", first).then("NodeTied", tied()).then("NodeRemoved", json!({"last_title": "x"}));
    scratch.apply(&NodeMap, &removed.events[1..]).await;
    let left = walk_ids(&scratch, world).await;
    assert_eq!(left.len(), nodes.len() - 1);
    assert!(!left.contains(&first));
    scratch.end().await;
}

async fn walk_ids(scratch: &Scratch, bbox: BBox) -> Vec<Uuid> {
    let page = nodes_in_bbox(&scratch.pool, bbox, &[], &[], 1_000, None).await.unwrap();
    let mut ids: Vec<_> = page.items.into_iter().map(|node| node.id).collect();
    let mut cursor = page.next_cursor;
    while let Some(text) = cursor {
        let after = MapCursor::parse(&text).unwrap();
        let page = nodes_in_bbox(&scratch.pool, bbox, &[], &[], 1_000, Some(after)).await.unwrap();
        ids.extend(page.items.into_iter().map(|node| node.id));
        cursor = page.next_cursor;
    }
    ids
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn a_map_that_was_never_built_says_so() {
    let scratch = Scratch::begin().await;
    sqlx::raw_sql("delete from node_map_g1.checkpoint").execute(&scratch.pool).await.unwrap();
    let world = BBox::new(-180.0, -90.0, 180.0, 90.0).unwrap();
    let answer = nodes_in_bbox(&scratch.pool, world, &[], &[], 10, None).await;
    assert!(matches!(answer, Err(ReadError::NotBuilt("node_map"))));
    scratch.end().await;
}
