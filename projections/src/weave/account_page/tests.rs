use std::sync::Arc;

use domain::{
    EventPayload,
    weave::{account::AccountEvent, values::MapState},
};
use eventstore::{
    keys::{KeyStore, MemoryKeyStore},
    seal::Sealer,
};
use kernel::Class;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    AccountPage, AccountRecord, AccountRow, Viewer, account_detail,
    change::{ACCOUNT_EVENT_TYPES, AccountChange},
    columns::AccountArrays,
    queries::shown,
};
use crate::{
    Sealed,
    testing::{Scratch, Story, fixtures, fold, occurred_at},
    weave::{activity::Activities, thread::Threads},
};

const ADA: Uuid = Uuid::from_u128(0xada);
const CANARY: &str = "CANARY";

/// A value as the log has it.
pub async fn sealed(sealer: &Sealer, subject: Uuid, class: Class, pointer: &str, value: Value) -> Value {
    let name = &pointer[1..];
    let mut payload = json!({ name: {"$personal": {"class": class, "subject": subject, "value": value}} });
    sealer.seal(Uuid::from_u128(1), occurred_at(1), &mut payload).await.unwrap();
    payload[name].take()
}

fn envelope(class: &str, pointer: &str) -> Value {
    json!({"class": class, "subject": ADA, "key": Uuid::nil(), "event": Uuid::nil(), "field": pointer,
           "nonce": "AA==", "box": "AA=="})
}

fn closed(class: &str, pointer: &str) -> Value {
    json!({"$sealed": envelope(class, pointer)})
}

fn registered() -> Story {
    let payload =
        json!({"title": closed("identity", "/title"), "email": closed("contact", "/email"), "role": "guest"});
    Story::of("account", ADA).then("AccountRegistered", payload)
}

fn described() -> Story {
    registered()
        .then(
            "AccountDescribed",
            json!({"summary": closed("identity", "/summary"), "tags": closed("identity", "/tags"),
                   "address": closed("contact", "/address")}),
        )
        .then(
            "AccountPlaced",
            json!({"map_state": "radius", "radius_m": 400, "location": closed("location", "/location"),
                   "public_position": closed("location", "/public_position")}),
        )
}

fn row(story: &Story) -> AccountRow {
    fold(&AccountPage, &story.events).unwrap().remove(&ADA).unwrap()
}

/// All that would be written, as text.
fn written(row: &AccountRow) -> String {
    let arrays = AccountArrays::of(std::iter::once(row));
    let personal = [arrays.titles, arrays.summaries, arrays.tags, arrays.addresses, arrays.public_positions];
    let words = (arrays.roles, arrays.statuses, arrays.map_states, arrays.radii, arrays.versions);
    serde_json::to_string(&(personal, words)).unwrap()
}

#[test]
fn rows_miss_no_event_of_the_account() {
    let of_domain: Vec<_> = AccountEvent::TYPES.iter().map(|(event_type, _)| *event_type).collect();
    assert_eq!(ACCOUNT_EVENT_TYPES, of_domain);
}

#[test]
fn every_stored_form_folds_and_no_row_holds_a_clear_text() {
    for event_type in ACCOUNT_EVENT_TYPES {
        for (name, payload) in fixtures(event_type) {
            // As if somebody had opened the payload before the fold, and as it is.
            for payload in [payload.clone(), opened(payload)] {
                let story = match *event_type {
                    "AccountRegistered" => Story::of("account", ADA).then(event_type, payload),
                    _ => registered().then(event_type, payload),
                };
                let row = fold(&AccountPage, &story.events).expect(&name).remove(&ADA).unwrap();
                let text = written(&row);
                assert!(!text.contains(CANARY) && !text.contains("$opened"), "{name}: {text}");
                assert!(!text.contains("/email") && !text.contains("\"/location\""), "{name}: {text}");
            }
        }
    }
}

fn opened(value: Value) -> Value {
    match value {
        Value::Object(mut object) => match object.remove("$sealed") {
            Some(envelope) => json!({"$opened": {"value": CANARY, "sealed": envelope}}),
            None => Value::Object(object.into_iter().map(|(key, value)| (key, opened(value))).collect()),
        },
        other => other,
    }
}

#[test]
fn a_personal_value_that_is_not_sealed_parks_the_account() {
    let personal = |class: &str| json!({"$personal": {"class": class, "subject": ADA, "value": CANARY}});
    let plain = json!(CANARY);
    for value in [personal("identity"), plain] {
        let cases = [
            ("AccountRegistered", json!({"title": value, "role": "guest"})),
            ("AccountDescribed", json!({"title": value})),
            ("AccountDescribed", json!({"summary": value})),
            ("AccountDescribed", json!({"tags": value})),
            ("AccountDescribed", json!({"address": value})),
            ("AccountPlaced", json!({"map_state": "exact", "radius_m": 250, "public_position": value})),
        ];
        for (event_type, payload) in cases {
            let story = Story::of("account", ADA).then(event_type, payload);
            let error = AccountChange::decode(&story.events[0]).err().expect(event_type);
            assert!(!error.to_string().contains(CANARY), "{error}");
        }
    }
}

#[test]
fn only_what_changed_changes() {
    let story = described();
    let before = row(&story);
    assert!(before.address.is_some() && before.public_position.is_some());
    assert_eq!((before.map_state, before.radius_m, before.version), (MapState::Radius, 400, 3));
    assert_eq!((before.joined_at, before.updated_at), (occurred_at(1), occurred_at(3)));

    let story = story.then("AccountDescribed", json!({"summary": null, "address": {"$redacted": true}}));
    let after = row(&story);
    assert_eq!((after.summary, after.address), (None, Some(Sealed::Redacted)));
    assert_eq!((after.title, after.tags), (before.title, before.tags));

    let story = story.then("AccountPlaced", json!({"map_state": "not_on_map", "radius_m": 400}));
    assert_eq!(row(&story).public_position, None);
}

#[test]
fn role_and_status_follow_the_community() {
    let words = |story: &Story| {
        let row = row(story);
        let arrays = AccountArrays::of(std::iter::once(&row));
        (arrays.roles[0], arrays.statuses[0])
    };
    let story = registered().then("AccountDisabled", json!({}));
    assert_eq!(words(&story), ("guest", "disabled"));
    let story = story
        .then("AccountReactivated", json!({}))
        .then("AccountPromoted", json!({"from": "guest", "to": "weaver"}));
    assert_eq!(words(&story), ("weaver", "active"));
}

#[test]
fn who_leaves_is_hidden_for_good() {
    let left = described().then("AccountLeft", json!({}));
    let text = written(&row(&left));
    assert!(!text.contains("$sealed") && text.contains("left") && text.contains("not_on_map"), "{text}");
    assert!(fold(&AccountPage, &left.then("AccountReactivated", json!({})).events).is_err());
}

struct House {
    keys: Arc<MemoryKeyStore>,
    sealer: Sealer,
    story: Story,
}

async fn house() -> House {
    let keys = Arc::new(MemoryKeyStore::new().unwrap());
    let sealer = Sealer::new(Arc::clone(&keys) as Arc<dyn KeyStore>);
    let field = async |class, pointer: &'static str, value| sealed(&sealer, ADA, class, pointer, value).await;
    let story = Story::of("account", ADA)
        .then(
            "AccountRegistered",
            json!({"title": field(Class::Identity, "/title", json!("Ada")).await, "role": "guest"}),
        )
        .then(
            "AccountDescribed",
            json!({"tags": field(Class::Identity, "/tags", json!(["brot"])).await,
                   "address": field(Class::Contact, "/address", json!("Hof 3")).await}),
        )
        .then(
            "AccountPlaced",
            json!({"map_state": "exact", "radius_m": 250, "public_position":
                   field(Class::Location, "/public_position", json!({"lat": 53.5, "lon": 10})).await}),
        );
    House { keys, sealer, story }
}

fn record(row: AccountRow) -> AccountRecord {
    AccountRecord { row, nodes: vec![], activity: vec![], position: 7, epoch: 1 }
}

async fn answer(house: &House, viewer: Viewer) -> Value {
    let record = record(row(&house.story));
    serde_json::to_value(shown(&house.sealer, record, viewer, occurred_at(9)).await.unwrap()).unwrap()
}

#[tokio::test]
async fn strangers_see_the_profile_and_no_contact_data() {
    let house = house().await;
    let shape = answer(&house, Viewer::default()).await;
    assert_eq!(
        shape,
        json!({
            "id": ADA, "role": "guest", "status": "active", "title": "Ada", "summary": null, "tags": ["brot"],
            "map_state": "exact", "public_position": {"lat": 53.5, "lon": 10.0}, "radius_m": 250,
            "created_at": "2026-09-21T14:13:21.123Z", "updated_at": "2026-09-21T14:13:23.123Z", "version": 3,
            "nodes": [], "activity": [], "erased": [], "position": 7,
        })
    );
    for (viewer, address) in [
        (Viewer { account: Some(Uuid::nil()), admin: false }, None),
        (Viewer { account: Some(ADA), admin: false }, Some("Hof 3")),
        (Viewer { account: None, admin: true }, Some("Hof 3")),
    ] {
        let shape = answer(&house, viewer).await;
        assert_eq!(shape.get("address").map(|address| address.as_str().unwrap()), address);
    }
}

#[tokio::test]
async fn erased_fields_are_null_and_named_to_those_who_might_have_seen_them() {
    let mut house = house().await;
    house.keys.erase(ADA, &[Class::Contact, Class::Location]).await.unwrap();
    let shape = answer(&house, Viewer::default()).await;
    assert_eq!((&shape["title"], &shape["public_position"]), (&json!("Ada"), &Value::Null));
    assert_eq!(shape["erased"], json!(["/public_position"]));
    let own = answer(&house, Viewer { account: Some(ADA), admin: false }).await;
    assert_eq!((&own["address"], &own["erased"]), (&Value::Null, &json!(["/address", "/public_position"])));

    house.story = house.story.then("AccountDescribed", json!({"title": {"$redacted": true}}));
    let shape = answer(&house, Viewer::default()).await;
    assert_eq!((&shape["title"], &shape["erased"]), (&Value::Null, &json!(["/public_position", "/title"])));
}

#[tokio::test]
async fn an_envelope_in_the_wrong_column_is_no_value() {
    let house = house().await;
    let mut row = row(&house.story);
    row.title = row.address.clone();
    assert!(shown(&house.sealer, record(row), Viewer::default(), occurred_at(9)).await.is_err());
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn a_row_survives_the_database() {
    let scratch = Scratch::begin().await;
    let house = house().await;
    for event in house.story.events.chunks(1) {
        scratch.apply(&AccountPage, event).await;
        scratch.apply(&Threads, event).await;
        scratch.apply(&Activities, event).await;
    }
    let detail = account_detail(&scratch.pool, &house.sealer, ADA, Viewer::default(), occurred_at(9))
        .await
        .unwrap()
        .unwrap();
    let mut expected = answer(&house, Viewer::default()).await;
    expected["position"] = json!(30);
    assert_eq!(serde_json::to_value(detail).unwrap(), expected);
    let missing =
        account_detail(&scratch.pool, &house.sealer, Uuid::nil(), Viewer::default(), occurred_at(9))
            .await
            .unwrap();
    assert!(missing.is_none());

    let left = house.story.then("AccountLeft", json!({}));
    scratch.apply(&AccountPage, &left.events[3..]).await;
    let text: String = sqlx::query_scalar("select a::text from account_page_g1.account_page a")
        .fetch_one(&scratch.pool)
        .await
        .unwrap();
    assert!(text.contains("left") && !text.contains("$sealed"), "{text}");
    scratch.end().await;
}
