use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
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
    Activities, ActivityChange, ActivityFields, ActivityFilter, ActivityKey, ActivityRow, ActivityShape,
    ActivityType, change::ACTIVITY_EVENT_TYPES, recent_activity,
};
use crate::{
    PositionCursor,
    testing::{ACTOR, Scratch, Story, fixtures, fold, occurred_at},
    weave::{
        account_page::{AccountPage, tests::sealed},
        node::tests::{NODE, redacted, story},
    },
};

const ADA: Uuid = Uuid::from_u128(0xada);

fn talk() -> Uuid {
    conversation_id(ConversationKind::Node, NODE)
}

fn at(mut event: RecordedEvent, actor: Uuid, time: &str, position: i64) -> RecordedEvent {
    event.metadata = to_raw_value(&json!({"actor": actor, "occurred_at": time})).unwrap();
    event.position = position;
    event
}

fn post(account: Uuid, time: &str, position: i64) -> RecordedEvent {
    let payload = json!({"conversation_id": talk(), "author_id": account, "content": redacted()});
    let event = Story::of("message", Uuid::now_v7()).then("MessagePosted", payload).events.remove(0);
    at(event, account, time, position)
}

fn rows(events: &[RecordedEvent]) -> BTreeMap<ActivityKey, ActivityRow> {
    fold(&Activities, events).unwrap()
}

fn entries(events: &[RecordedEvent]) -> Vec<ActivityFields> {
    let rows = rows(events).into_values().filter_map(|row| match row {
        ActivityRow::Entry(fields) => Some(fields),
        ActivityRow::Node(_) => None,
    });
    let mut entries: Vec<_> = rows.collect();
    entries.sort_unstable_by_key(|entry| entry.position);
    entries
}

fn title(events: &[RecordedEvent]) -> Option<String> {
    match rows(events).remove(&ActivityKey::Node { conversation: talk() }) {
        Some(ActivityRow::Node(node)) => node.title,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_stored_form_decodes() {
    for event_type in ACTIVITY_EVENT_TYPES {
        for (name, payload) in fixtures(event_type) {
            let story = Story::of("node", NODE).then(event_type, payload);
            assert!(ActivityChange::decode(&story.events[0]).is_ok(), "{name}");
        }
    }
}

#[test]
fn a_day_of_talk_is_one_entry_and_midnight_in_utc_begins_the_next() {
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let entries = entries(&[
        post(ADA, "2026-09-21T08:00:00.000Z", 5),
        post(ADA, "2026-09-21T23:59:59.999Z", 6),
        // Half past one in the morning where she lives, and still the 21st.
        post(ADA, "2026-09-22T01:30:00.000+02:00", 7),
        post(ADA, "2026-09-22T00:00:00.000Z", 8),
        post(ACTOR, "2026-09-22T00:00:00.000Z", 9),
    ]);
    let counts: Vec<_> = entries.iter().map(|entry| (entry.count, entry.position)).collect();
    assert_eq!(counts, [(3, 7), (1, 8), (1, 9)]);
    assert_eq!(entries[0].first_at, time("2026-09-21T08:00:00Z"));
    assert_eq!(entries[0].last_at, time("2026-09-21T23:59:59.999Z"));
    assert_eq!(entries[0].day.to_string(), "2026-09-21");
}

#[test]
fn each_kind_of_act_is_an_entry_of_its_own() {
    let story = story()
        .then("NodeRevised", json!({"title": "Lehmofen"}))
        .then("NodeRevised", json!({"info": "neu"}))
        .then("NodeRemoved", json!({"last_title": "Lehmofen"}));
    let found: Vec<_> = entries(&story.events)
        .into_iter()
        .map(|entry| (entry.activity_type, entry.count, entry.account_id))
        .collect();
    let actor = Some(ACTOR);
    assert_eq!(
        found,
        [
            (ActivityType::Tied, 1, actor),
            (ActivityType::Revised, 2, actor),
            (ActivityType::Removed, 1, actor)
        ]
    );
}

#[test]
fn what_the_system_does_is_nobodys() {
    let mut events = story().then("NodeRemoved", json!({"last_title": "x"})).events;
    events[1].metadata = to_raw_value(&json!({"actor": "system", "occurred_at": occurred_at(2)})).unwrap();
    let entry = entries(&events).pop().unwrap();
    assert_eq!((entry.activity_type, entry.account_id), (ActivityType::Removed, None));
    assert!(entry.key().to_string().starts_with("entry:system:removed:"));
}

#[test]
fn the_last_title_outlives_the_node() {
    let story = story().then("NodeRevised", json!({"info": "neu"}));
    assert_eq!(title(&story.events).as_deref(), Some("Brotbackofen"));
    let story = story.then("NodeRevised", json!({"title": "Lehmofen"}));
    assert_eq!(title(&story.events).as_deref(), Some("Lehmofen"));
    let removed = story.then("NodeRemoved", json!({"last_title": "Lehmofen"}));
    assert_eq!(title(&removed.events).as_deref(), Some("Lehmofen"));
    let late = removed.then("NodeTied", json!({"title": "x"}));
    assert!(fold(&Activities, &late.events).is_err());
}

#[test]
fn an_unreadable_act_parks_its_entry_and_its_node() {
    let bad = Story::of("node", NODE).then("NodeRevised", json!({"title": 5})).events.remove(0);
    assert!(ActivityChange::decode(&bad).is_err());
    let keys: Vec<_> = Activities.keys_without_payload(&bad).iter().map(ToString::to_string).collect();
    assert_eq!(keys, [format!("entry:{ACTOR}:revised:{}:2026-09-21", talk()), format!("node:{}", talk())]);
    let mut lost = bad;
    lost.metadata = to_raw_value(&json!({})).unwrap();
    assert_eq!(Activities.keys_without_payload(&lost), []);
}

#[test]
fn the_schema_is_unqualified() {
    assert!(!Activities::SCHEMA.contains("activity."));
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn the_feed_is_newest_first_and_forgets_whose_it_was() {
    let scratch = Scratch::begin().await;
    let keys = Arc::new(MemoryKeyStore::new().unwrap());
    let sealer = Sealer::new(Arc::clone(&keys) as Arc<dyn KeyStore>);
    let name = sealed(&sealer, ADA, Class::Identity, "/title", json!("Ada")).await;
    let account =
        Story::of("account", ADA).then("AccountRegistered", json!({"title": name, "role": "guest"}));
    scratch.apply(&AccountPage, &account.events).await;
    scratch.apply(&Activities, &story().events).await;
    let posts: Vec<_> = (1..=28)
        .flat_map(|day| {
            let time = |hour| format!("2026-10-{day:02}T{hour:02}:00:00.000Z");
            [post(ADA, &time(7), 100 + day * 2), post(ADA, &time(9), 101 + day * 2)]
        })
        .collect();
    for page in posts.chunks(9) {
        scratch.apply(&Activities, page).await;
    }

    let walk = async |filter: ActivityFilter| -> Vec<ActivityShape> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = recent_activity(&scratch.pool, &sealer, filter, 5, cursor).await.unwrap();
            found.extend(page.items);
            match page.next_cursor {
                Some(text) => cursor = Some(PositionCursor::parse(&text).unwrap()),
                None => return found,
            }
        }
    };
    let everybody = ActivityFilter::default();
    let ada = ActivityFilter { account: Some(ADA), node: None };
    let here = ActivityFilter { account: None, node: Some(NODE) };
    let all = walk(everybody).await;
    assert_eq!(all.len(), 29);
    assert!(all.is_sorted_by(|a, b| a.position > b.position));
    assert_eq!(
        serde_json::to_value(&all[0]).unwrap(),
        json!({"position": 157, "at": "2026-10-28T09:00:00.000Z", "type": "message", "count": 2,
               "account": {"id": ADA, "title": "Ada"}, "node": {"id": NODE, "title": "Brotbackofen"}})
    );
    assert_eq!(all[28].activity_type, "tied");
    assert_eq!(walk(here).await, all);
    assert_eq!(walk(ada).await, all[..28]);
    let both = ActivityFilter { account: Some(ADA), node: Some(Uuid::nil()) };
    assert_eq!(walk(both).await, []);

    keys.erase(ADA, &[Class::Identity]).await.unwrap();
    let json = serde_json::to_value(&walk(ada).await[0]).unwrap();
    assert_eq!((&json["account"]["title"], &json["erased"]), (&json!(null), &json!(["/account/title"])));

    let left = account.then("AccountLeft", json!({}));
    scratch.apply(&AccountPage, &left.events[1..]).await;
    assert_eq!(walk(ada).await, [], "what remains is nobody's");
    let remains = walk(here).await;
    assert_eq!((remains.len(), &remains[0].account), (29, &None));

    // An entry to which something is added moves to the front.
    scratch.apply(&Activities, &[post(ADA, "2026-10-01T11:00:00.000Z", 500)]).await;
    let moved = walk(everybody).await;
    assert_eq!((moved.len(), moved[0].position, moved[0].count), (29, 500, 3));
    scratch.end().await;
}
