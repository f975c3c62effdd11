//! `SCRATCH_DATABASE_URL=… cargo test --release -p projections measure -- --ignored --nocapture`

use std::time::Instant;

use eventstore::subscription::PostgresProjection;
use kernel::{Name, RecordedEvent};
use serde_json::{json, value::to_raw_value};
use uuid::Uuid;

use super::{
    node_map::{NodeMap, nodes_in_bbox},
    node_page::NodePage,
};
use crate::{
    geo::BBox,
    testing::{Numbers, Scratch, fold, occurred_at},
};

const NODES: usize = 150_000;
const PAGE: usize = 20_000;

/// Nodes clustered like cities: two hundred of them, the n-th with 1/n of the first's nodes.
fn log() -> Vec<RecordedEvent> {
    let mut numbers = Numbers(2026);
    let cities: Vec<_> = std::iter::once((53.55, 9.99))
        .chain((1..200).map(|_| (numbers.between(36.0, 68.0), numbers.between(-9.0, 40.0))))
        .collect();
    let weights: Vec<f64> = (1..=cities.len())
        .scan(0.0, |sum, n| {
            *sum += 1.0 / n as f64;
            Some(*sum)
        })
        .collect();
    let mut events = Vec::with_capacity(NODES * 2);
    for index in 0..NODES {
        let pick = numbers.unit() * weights[weights.len() - 1];
        let (lat, lon) = cities[weights.partition_point(|weight| *weight < pick)];
        // A sum of uniforms is nearly a bell; most within 10 km.
        let mut bell = || (0..4).map(|_| numbers.unit() - 0.5).sum::<f64>() * 0.12;
        let place = json!({"lat": lat + bell(), "lon": lon + bell() * 1.7});
        let kind = if index % 1_000 == 0 { "selten".to_owned() } else { format!("Art {}", numbers.below(8)) };
        let payload = json!({
            "title": format!("Knoten {index} im Viertel"), "kind": kind, "address": format!("Straße {index}, Hof"),
            "location": place, "summary": "Was es hier gibt und wann man kommen kann. ".repeat(2),
            "info": "Ausführlich: mitbringen, beachten, mithelfen. ".repeat(4),
            "tags": [format!("tag {}", numbers.below(40)), format!("rar {}", numbers.below(3_000)), "thema:natur"],
            "search_visibility": "public", "created_by": id(&mut numbers), "conversation_id": id(&mut numbers),
        });
        let node = id(&mut numbers);
        events.push(event(events.len(), "node", node, "NodeTied", payload));
        let opened = json!({"conversation_id": Uuid::nil(), "kind": "node", "subject_id": node});
        events.push(event(events.len(), "conversation", id(&mut numbers), "ConversationOpened", opened));
    }
    events
}

/// Like UUIDv7: the time first.
fn id(numbers: &mut Numbers) -> Uuid {
    Uuid::from_u64_pair(numbers.next() >> 4, numbers.next())
}

fn event(
    index: usize,
    aggregate: &'static str,
    id: Uuid,
    event_type: &str,
    payload: serde_json::Value,
) -> RecordedEvent {
    let metadata = json!({
        "actor": Uuid::nil(), "roles": ["guest"], "command": "node.tie", "command_id": id, "correlation_id": id,
        "causation_id": id, "occurred_at": occurred_at(index as i64),
    });
    RecordedEvent {
        position: index as i64 + 1,
        event_id: id,
        aggregate_type: Name::constant(aggregate),
        aggregate_id: id,
        version: 1,
        event_type: Name::parse(event_type.to_owned()).unwrap(),
        schema_version: 1,
        payload: to_raw_value(&payload).unwrap(),
        metadata: to_raw_value(&metadata).unwrap(),
        recorded_at: occurred_at(index as i64),
    }
}

async fn rebuild<P: PostgresProjection>(scratch: &Scratch, projection: &P, log: &[RecordedEvent]) {
    let wanted: Vec<_> =
        log.iter().filter(|e| P::EVENT_TYPES.contains(&e.event_type.as_str())).cloned().collect();
    let started = Instant::now();
    fold(projection, &wanted).unwrap();
    let folding = started.elapsed();
    drop(wanted);
    let started = Instant::now();
    for page in log.chunks(PAGE) {
        scratch.apply(projection, page).await;
    }
    let took = started.elapsed();
    let rate = log.len() as f64 / took.as_secs_f64();
    println!(
        "{}: {} events in {took:.2?}: {rate:.0}/s; decode and fold alone {folding:.2?}",
        P::NAME,
        log.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SCRATCH_DATABASE_URL and a minute"]
async fn measure() {
    let log = log();
    let scratch = Scratch::begin().await;
    rebuild(&scratch, &NodeMap, &log).await;
    rebuild(&scratch, &NodePage, &log).await;
    sqlx::raw_sql("vacuum analyze node_map_g1.node_map").execute(&scratch.pool).await.unwrap();
    let size: String = sqlx::query_scalar(
        "select string_agg(relname || ' ' || pg_size_pretty(pg_relation_size(oid)), ', ' order by relname)
         from pg_class where relname like 'node_%'",
    )
    .fetch_one(&scratch.pool)
    .await
    .unwrap();
    println!("{size}");
    type Case = (&'static str, (f64, f64, f64, f64), &'static [&'static str], &'static [&'static str]);
    let cases: [Case; 9] = [
        ("city", (9.7, 53.4, 10.3, 53.7), &[], &[]),
        ("quarter", (9.97, 53.54, 10.0, 53.56), &[], &[]),
        ("world", (-180.0, -90.0, 180.0, 90.0), &[], &[]),
        ("empty sea", (-40.0, 20.0, -30.0, 30.0), &[], &[]),
        ("Europe", (-10.0, 36.0, 40.0, 70.0), &[], &[]),
        ("world, common kind", (-180.0, -90.0, 180.0, 90.0), &["Art 3"], &[]),
        ("world, rare kind", (-180.0, -90.0, 180.0, 90.0), &["selten"], &[]),
        ("world, rare tag", (-180.0, -90.0, 180.0, 90.0), &[], &["rar 7"]),
        ("city, common tag and kind", (9.7, 53.4, 10.3, 53.7), &["Art 3"], &["tag 7"]),
    ];
    for (name, (west, south, east, north), kinds, tags) in cases {
        let bbox = BBox::new(west, south, east, north).unwrap();
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let (kinds, tags) = (owned(kinds), owned(tags));
        let mut times = Vec::new();
        let mut items = 0;
        for _ in 0..60 {
            let started = Instant::now();
            items = nodes_in_bbox(&scratch.pool, bbox, &kinds, &tags, 100, None).await.unwrap().items.len();
            times.push(started.elapsed());
        }
        times.sort_unstable();
        let started = Instant::now();
        let ranges = crate::geo::cover(&bbox).len();
        let cover = started.elapsed();
        println!(
            "{name}: {items} items, median {:.2?}, p95 {:.2?}; {ranges} ranges in {cover:.2?}",
            times[30], times[57]
        );
    }
    if std::env::var_os("KEEP_SCRATCH").is_none() {
        scratch.end().await;
    }
}
