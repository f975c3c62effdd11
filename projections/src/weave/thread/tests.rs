use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use domain::weave::conversation::{ConversationKind, conversation_id};
use eventstore::{
    keys::{KeyStore, MemoryKeyStore},
    seal::Sealer,
    subscription::PostgresProjection,
};
use kernel::{Class, Projection, RecordedEvent};
use serde_json::{json, value::to_raw_value};
use uuid::Uuid;

use super::{
    BoxCursor, FADES_AFTER, NodeEnd, RecentCursor, ThreadChange, ThreadFields, ThreadKey, ThreadRow,
    ThreadType, Threads, change::THREAD_EVENT_TYPES, opacity_at, queries::in_bbox, thread_id,
    threads_of_account, threads_of_node,
};
use crate::{
    geo::{BBox, cell_of},
    testing::{ACTOR, Numbers, Scratch, Story, fixtures, fold, occurred_at},
    weave::{
        LatLon,
        account_page::{AccountPage, tests::sealed},
        node::tests::{NODE, redacted, story, tied_with},
    },
};

const ADA: Uuid = Uuid::from_u128(0xada);
const BOB: Uuid = Uuid::from_u128(0xb0b);

fn talk_of(node: Uuid) -> Uuid {
    conversation_id(ConversationKind::Node, node)
}

/// A post of `account` about `node`, `after` the first second of the stories.
fn post(account: Uuid, node: Uuid, after: TimeDelta) -> RecordedEvent {
    let payload = json!({"conversation_id": talk_of(node), "author_id": account, "content": redacted()});
    let mut event = Story::of("message", Uuid::now_v7()).then("MessagePosted", payload).events.remove(0);
    let at = occurred_at(1) + after;
    event.metadata = to_raw_value(&json!({"actor": account, "occurred_at": at})).unwrap();
    event
}

fn tie(node: Uuid, (lat, lon): (f64, f64)) -> Vec<RecordedEvent> {
    Story::of("node", node).then("NodeTied", tied_with("location", json!({"lat": lat, "lon": lon}))).events
}

fn leave(account: Uuid) -> RecordedEvent {
    Story::of("account", account).then("AccountLeft", json!({})).events.remove(0)
}

fn rows(events: &[RecordedEvent]) -> BTreeMap<ThreadKey, ThreadRow> {
    fold(&Threads, events).unwrap()
}

fn thread(events: &[RecordedEvent], account: Uuid, thread_type: ThreadType) -> Option<ThreadFields> {
    let key = ThreadKey::Thread { account, thread_type, conversation: talk_of(NODE) };
    match rows(events).remove(&key) {
        Some(ThreadRow::Thread(fields)) => Some(fields),
        None => None,
        other => panic!("{other:?}"),
    }
}

fn end(events: &[RecordedEvent]) -> NodeEnd {
    match rows(events).remove(&ThreadKey::Node { conversation: talk_of(NODE) }) {
        Some(ThreadRow::Node(end)) => end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_stored_form_decodes() {
    for event_type in THREAD_EVENT_TYPES {
        for (name, payload) in fixtures(event_type) {
            let story = Story::of("node", NODE).then(event_type, payload);
            assert!(ThreadChange::decode(&story.events[0]).is_ok(), "{name}");
        }
    }
}

#[test]
fn a_thread_fades_linearly_and_is_gone_after_exactly_168_hours() {
    let drawn = occurred_at(1);
    let at = |hours| opacity_at(drawn, drawn + TimeDelta::hours(hours));
    assert_eq!([at(0), at(42), at(84), at(126), at(168), at(1_000)], [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
    assert!(opacity_at(drawn, drawn + FADES_AFTER - TimeDelta::milliseconds(1)) > 0.0);
    assert_eq!(at(-1), 1.0, "a clock that is behind sees a fresh one");
}

#[test]
fn each_act_restarts_the_thread_of_its_own_kind_and_person() {
    let mut events = story().events;
    let first = thread(&events, ACTOR, ThreadType::Knotting).unwrap();
    assert_eq!(first.started_at, occurred_at(1));
    assert_eq!(thread(&events, ACTOR, ThreadType::Conversation), None);

    events.push(post(ADA, NODE, TimeDelta::hours(5)));
    events.push(post(ADA, NODE, TimeDelta::hours(9)));
    let talk = thread(&events, ADA, ThreadType::Conversation).unwrap();
    assert_eq!(talk.started_at, occurred_at(1) + TimeDelta::hours(9));
    assert_eq!(thread(&events, ACTOR, ThreadType::Knotting).unwrap().started_at, occurred_at(1));
    assert_eq!(end(&events).last_act_at, occurred_at(1) + TimeDelta::hours(9));

    // A process whose clock is behind makes no thread older.
    events.push(post(ADA, NODE, TimeDelta::hours(8)));
    assert_eq!(thread(&events, ADA, ThreadType::Conversation), Some(talk));

    let revised = story().then("NodeRevised", json!({"title": "Lehmofen"})).events.remove(1);
    events.push(revised);
    assert_eq!(thread(&events, ACTOR, ThreadType::Knotting).unwrap().started_at, occurred_at(2));
}

#[test]
fn what_the_system_does_draws_no_thread() {
    let mut events = story().then("NodeRevised", json!({"title": "Lehmofen"})).events;
    events[1].metadata = to_raw_value(&json!({"actor": "system", "occurred_at": occurred_at(2)})).unwrap();
    let drawn = rows(&events).into_keys().filter(|key| matches!(key, ThreadKey::Thread { .. })).count();
    assert_eq!(drawn, 1, "the creator's");
    assert_eq!(thread(&events, ACTOR, ThreadType::Knotting).unwrap().started_at, occurred_at(1));
}

#[test]
fn the_end_follows_the_node_and_has_no_place_once_it_is_removed() {
    let moved = json!({"location": {"lat": 48.1, "lon": 11.6}});
    let story = story().then("NodeRevised", json!({"title": "x"}));
    assert_eq!(end(&story.events).location, Some(LatLon { lat: 53.55, lon: 9.99 }));
    let story = story.then("NodeRevised", moved);
    assert_eq!(end(&story.events).location, Some(LatLon { lat: 48.1, lon: 11.6 }));
    let hidden = Story::of("node", NODE).then("NodeTied", tied_with("location", redacted()));
    assert_eq!(end(&hidden.events).location, None);

    let story = story.then("NodeRemoved", json!({"last_title": "x"}));
    let removed = end(&story.events);
    assert!(removed.removed && removed.location.is_none());
    assert!(thread(&story.events, ACTOR, ThreadType::Knotting).is_some(), "rows of other keys stay");
    let late = story.then("NodeRevised", json!({"title": "y"}));
    assert!(fold(&Threads, &late.events).is_err());
}

#[test]
fn a_conversation_about_something_else_has_no_node_end() {
    let rows = rows(&[post(ADA, NODE, TimeDelta::zero())]);
    assert_eq!(rows.len(), 1, "{rows:?}");
}

#[test]
fn an_unreadable_act_parks_what_it_may_have_touched() {
    let bad = Story::of("node", NODE).then("NodeTied", json!({})).events.remove(0);
    assert!(ThreadChange::decode(&bad).is_err());
    let conversation = talk_of(NODE);
    assert_eq!(
        Threads.keys_without_payload(&bad),
        [
            ThreadKey::Thread { account: ACTOR, thread_type: ThreadType::Knotting, conversation },
            ThreadKey::Node { conversation }
        ]
    );
    let lost = Story::of("message", NODE).then("MessagePosted", json!({"conversation_id": conversation}));
    assert_eq!(Threads.keys_without_payload(&lost.events[0]), []);
}

#[test]
fn ids_never_change() {
    let id = thread_id(ADA, ThreadType::Knotting, talk_of(NODE));
    assert_eq!(id.to_string(), "252f12dd-de1f-5a4e-9134-6ba545498e85");
    assert_ne!(id, thread_id(ADA, ThreadType::Conversation, talk_of(NODE)));
    let key = ThreadKey::Thread { account: ADA, thread_type: ThreadType::Knotting, conversation: BOB };
    assert_eq!(key.to_string(), format!("thread:{ADA}:knotting:{BOB}"));
}

#[test]
fn the_schema_is_unqualified() {
    assert!(!Threads::SCHEMA.contains("thread."));
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn live_threads_are_found_from_both_ends_and_discarded_with_either() {
    let scratch = Scratch::begin().await;
    let keys = Arc::new(MemoryKeyStore::new().unwrap());
    let sealer = Sealer::new(Arc::clone(&keys) as Arc<dyn KeyStore>);
    let (near, far) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut events = tie(near, (53.55, 9.99));
    events.extend(tie(far, (48.1, 11.6)));
    events.push(post(ADA, near, TimeDelta::hours(1)));
    events.push(post(ADA, far, TimeDelta::hours(2)));
    events.push(post(BOB, near, TimeDelta::hours(3)));
    scratch.apply(&Threads, &events).await;
    let place =
        sealed(&sealer, ADA, Class::Location, "/public_position", json!({"lat": 53.5, "lon": 10})).await;
    let account = Story::of("account", ADA)
        .then("AccountRegistered", json!({"title": redacted(), "role": "guest"}))
        .then("AccountPlaced", json!({"map_state": "exact", "radius_m": 250, "public_position": place}));
    scratch.apply(&AccountPage, &account.events).await;

    let begin = occurred_at(1);
    let (pool, sealer) = (&scratch.pool, &sealer);
    let of_account = async |account: Uuid, now: DateTime<Utc>| {
        threads_of_account(pool, sealer, account, now, 20, None).await.unwrap().items
    };
    let of_node = async |node: Uuid, now: DateTime<Utc>| {
        threads_of_node(pool, sealer, node, now, 20, None).await.unwrap().items
    };
    let now = begin + TimeDelta::hours(43);
    let ada = of_account(ADA, now).await;
    assert_eq!(ada.iter().map(|thread| thread.node_id).collect::<Vec<_>>(), [far, near], "newest first");
    assert_eq!(ada[1].opacity, 0.75);
    assert_eq!(
        (ada[1].from, ada[1].to),
        (Some(LatLon { lat: 53.5, lon: 10.0 }), Some(LatLon { lat: 53.55, lon: 9.99 }))
    );
    assert_eq!(ada[1].expires_at, begin + TimeDelta::hours(169));
    assert_eq!(ada[1].id, thread_id(ADA, ThreadType::Conversation, talk_of(near)));
    let near_ones = of_node(near, now).await;
    let people: Vec<_> = near_ones.iter().map(|thread| thread.account_id).collect();
    assert_eq!(people, [BOB, ADA, ACTOR]);
    assert_eq!((near_ones[0].from, near_ones[2].thread_type.as_str()), (None, "knotting"));

    // To the millisecond.
    let over = begin + TimeDelta::hours(1) + FADES_AFTER;
    assert_eq!(of_node(near, over - TimeDelta::milliseconds(1)).await.len(), 2);
    let left = of_node(near, over).await;
    assert_eq!(left.iter().map(|thread| thread.account_id).collect::<Vec<_>>(), [BOB]);

    keys.erase(ADA, &[Class::Location]).await.unwrap();
    let json = serde_json::to_value(of_account(ADA, now).await).unwrap();
    assert_eq!((&json[0]["from"], &json[0]["erased"]), (&json!(null), &json!(["/from"])));

    // One more page of events: BOB leaves, the far node is removed.
    let removed = Story::of("node", far)
        .then("NodeTied", json!({}))
        .then("NodeRemoved", json!({"last_title": "x"}))
        .events
        .remove(1);
    scratch.apply(&Threads, &[leave(BOB), removed]).await;
    assert_eq!(of_account(BOB, now).await, []);
    assert_eq!(of_node(far, now).await, []);
    let ada = of_account(ADA, now).await;
    assert_eq!(ada.iter().map(|thread| thread.node_id).collect::<Vec<_>>(), [near]);
    let people: Vec<_> = of_node(near, now).await.iter().map(|thread| thread.account_id).collect();
    assert_eq!(people, [ADA, ACTOR]);
    // Nothing was deleted: the join discards.
    let stored: i64 =
        sqlx::query_scalar("select count(*) from thread_g1.thread").fetch_one(&scratch.pool).await.unwrap();
    assert_eq!(stored, 5);
    scratch.end().await;
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn pages_of_the_map_and_of_a_node_hold_every_live_thread_once_and_in_order() {
    let scratch = Scratch::begin().await;
    let sealer = Sealer::new(Arc::new(MemoryKeyStore::new().unwrap()));
    let mut numbers = Numbers(7);
    let mut places = vec![(90.0, 12.0), (-90.0, 0.0), (0.0, 180.0), (0.0, -180.0)];
    places.extend((0..150).map(|_| numbers.place()));
    places.extend((0..150).map(|_| (numbers.between(53.5, 53.6), numbers.between(9.9, 10.1))));
    places.extend([(53.55, 10.0); 5]);
    // (place, cell, conversation, id) of every thread that is live at the end.
    let mut expected = Vec::new();
    let now = occurred_at(1) + FADES_AFTER;
    let mut events = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let node = Uuid::from_u128(index as u128);
        // The knotting has just faded when anybody looks.
        events.extend(tie(node, *place));
        for person in 0..numbers.below(5) as u128 {
            let account = Uuid::from_u128(0xacc0 + person);
            events.push(post(account, node, TimeDelta::minutes(1 + person as i64)));
            let id = thread_id(account, ThreadType::Conversation, talk_of(node));
            expected.push((*place, cell_of(place.0, place.1), talk_of(node), id));
        }
    }
    for page in events.chunks(200) {
        scratch.apply(&Threads, page).await;
    }
    expected.sort_unstable_by_key(|thread| (thread.1, thread.2, thread.3));
    for (west, south, east, north) in [
        (-180.0, -90.0, 180.0, 90.0),
        (9.9, 53.5, 10.1, 53.6),
        (150.0, -60.0, -150.0, 60.0),
        (170.0, -1.0, 180.0, 60.0),
        (-10.0, -90.0, 10.0, -89.9),
        (10.0, 53.55, 10.0, 53.55),
    ] {
        let bbox = BBox::new(west, south, east, north).unwrap();
        let wanted: Vec<_> = expected
            .iter()
            .filter(|((lat, lon), ..)| bbox.contains(*lat, *lon))
            .map(|(_, _, _, id)| *id)
            .collect();
        // All at once, and by walking.
        for few in [10_000, 0] {
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let page = in_bbox(&scratch.pool, &sealer, bbox, now, 13, cursor, few).await.unwrap();
                found.extend(page.items.iter().map(|thread| thread.id));
                match page.next_cursor {
                    Some(text) => cursor = Some(BoxCursor::parse(&text).unwrap()),
                    None => break,
                }
            }
            assert_eq!(found, wanted, "{bbox:?} {few}");
        }
        assert!(!wanted.is_empty(), "{bbox:?}");
    }

    // Many at one node, of which several at the same moment.
    let node = Uuid::from_u128(0);
    let crowd: Vec<_> = (0..50)
        .map(|person| post(Uuid::from_u128(0xc0de + person), node, TimeDelta::hours(2 + person as i64 / 10)))
        .collect();
    scratch.apply(&Threads, &crowd).await;
    let all = threads_of_node(&scratch.pool, &sealer, node, now, 100, None).await.unwrap();
    assert!(all.items.len() >= 50 && !all.has_more);
    assert!(all.items.is_sorted_by(|a, b| (a.started_at, a.id) > (b.started_at, b.id)));
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = threads_of_node(&scratch.pool, &sealer, node, now, 7, cursor).await.unwrap();
        found.extend(page.items);
        match page.next_cursor {
            Some(text) => cursor = Some(RecentCursor::parse(&text).unwrap()),
            None => break,
        }
    }
    assert_eq!(found, all.items);
    scratch.end().await;
}
