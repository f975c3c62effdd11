use domain::{
    EventPayload,
    weave::{
        node::{NodeEvent, NodeTied},
        values::{SearchVisibility, Tag},
    },
};
use kernel::{Plain, Projection};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NODE_EVENT_TYPES, NodeChange, NodeFields, NodeShape};
use crate::{
    testing::{Story, fixtures, fold, occurred_at},
    weave::{LatLon, node_map::NodeMap},
};

pub const NODE: Uuid = Uuid::from_u128(0x0de);
pub const CREATOR: Uuid = Uuid::from_u128(0xc4ea);

pub fn tied() -> Value {
    json!({
        "title": "Brotbackofen", "kind": "Ort", "address": "Hof 3",
        "location": {"lat": 53.55, "lon": 9.99}, "summary": "Samstags", "info": "**Mehl** mitbringen",
        "tags": ["brot", "thema:ernaehrung"], "search_visibility": "public",
        "created_by": CREATOR, "conversation_id": Uuid::from_u128(0xc0),
    })
}

pub fn redacted() -> Value {
    json!({"$redacted": true})
}

/// With one field of `tied` replaced.
pub fn tied_with(field: &str, value: Value) -> Value {
    let mut payload = tied();
    payload[field] = value;
    payload
}

pub fn story() -> Story {
    Story::of("node", NODE).then("NodeTied", tied())
}

fn fields(story: &Story) -> NodeFields {
    fold(&NodeMap, &story.events).unwrap().remove(&NODE).unwrap()
}

#[test]
fn rows_miss_no_event_of_the_node() {
    let of_domain: Vec<_> = NodeEvent::TYPES.iter().map(|(event_type, _)| *event_type).collect();
    assert_eq!(NODE_EVENT_TYPES, of_domain);
}

#[test]
fn every_stored_form_decodes() {
    for event_type in NODE_EVENT_TYPES {
        for (name, payload) in fixtures(event_type) {
            let story = Story::of("node", NODE).then(event_type, payload);
            assert!(NodeChange::decode(&story.events[0]).is_ok(), "{name}");
        }
    }
}

/// The payload is read by a decoder of its own, for speed; it has to say what the domain's says.
#[test]
fn the_fields_are_those_the_domain_reads() {
    fn text<T>(field: Plain<T>, of: impl Fn(&T) -> &str) -> Option<String> {
        field.known().map(|value| of(value).to_owned())
    }
    for (name, payload) in fixtures("NodeTied") {
        let tied: NodeTied = serde_json::from_value(payload.clone()).unwrap();
        let row = fields(&Story::of("node", NODE).then("NodeTied", payload));
        assert_eq!(row.title, text(tied.title, |title| title.as_str()), "{name}");
        assert_eq!(row.kind, text(tied.kind, |kind| kind.as_str()), "{name}");
        assert_eq!(row.address, text(tied.address, |address| address.as_str()), "{name}");
        assert_eq!(row.summary, tied.summary.and_then(|it| text(it, |it| it.as_str())), "{name}");
        assert_eq!(row.info, tied.info.and_then(|it| text(it, |it| it.as_str())), "{name}");
        let tags = tied.tags.known().map(|tags| tags.iter().map(Tag::as_str).collect::<Vec<_>>());
        assert_eq!(row.tags.as_ref().map(|tags| tags.iter().map(String::as_str).collect()), tags, "{name}");
        let point = tied.location.known().map(|at| LatLon { lat: at.lat(), lon: at.lon() });
        assert_eq!(row.location, point, "{name}");
        assert_eq!(row.search_visibility, tied.search_visibility, "{name}");
        assert_eq!(
            (row.created_by, row.conversation_id),
            (Some(tied.created_by), tied.conversation_id),
            "{name}"
        );
    }
}

#[test]
fn only_changed_fields_change_and_null_empties() {
    let revised = json!({"title": "Lehmofen", "info": null, "tags": [], "location": {"lat": -1.5, "lon": 2}});
    let row = fields(&story().then("NodeRevised", revised));
    assert_eq!(row.title.as_deref(), Some("Lehmofen"));
    assert_eq!((row.info, row.summary.as_deref()), (None, Some("Samstags")));
    assert_eq!(row.tags, Some(vec![]));
    assert_eq!(row.location, Some(LatLon { lat: -1.5, lon: 2.0 }));
    assert_eq!(row.kind.as_deref(), Some("Ort"));
}

#[test]
fn times_are_the_commands_and_the_version_is_the_aggregates() {
    let changed = json!({"from": "public", "to": "hidden"});
    let row = fields(
        &story().then("NodeRevised", json!({"kind": "Projekt"})).then("NodeVisibilityChanged", changed),
    );
    assert_eq!((row.created_at, row.updated_at), (occurred_at(1), occurred_at(3)));
    assert_eq!(row.version, 3);
    assert_eq!(row.search_visibility, SearchVisibility::Hidden);
}

#[test]
fn a_redacted_field_is_null_and_named_until_it_is_written_anew() {
    let mut payload = tied();
    for field in ["title", "tags", "summary", "location"] {
        payload[field] = redacted();
    }
    let story = Story::of("node", NODE).then("NodeTied", payload);
    let row = fields(&story);
    assert_eq!(row.redacted, ["/location", "/summary", "/tags", "/title"]);
    assert_eq!((&row.title, &row.tags, &row.summary, &row.location), (&None, &None, &None, &None));

    let story = story.then("NodeRevised", json!({"title": "Neu", "summary": null}));
    let shape = NodeShape::from(fields(&story));
    assert_eq!(shape.erased, ["/location", "/tags"]);
    assert_eq!(shape.title.as_deref(), Some("Neu"));
}

#[test]
fn a_single_redacted_tag_is_left_out() {
    let tags = json!(["brot", {"$redacted": true}, "ofen"]);
    let row = fields(&Story::of("node", NODE).then("NodeTied", tied_with("tags", tags)));
    assert_eq!(row.tags, Some(vec!["brot".to_owned(), "ofen".to_owned()]));
    assert!(row.redacted.is_empty());
}

#[test]
fn what_cannot_follow_parks_the_node() {
    let unborn = Story::of("node", NODE).then("NodeRevised", json!({"title": "x"}));
    let twice = story().then("NodeTied", tied());
    let shapeless = Story::of("node", NODE).then("NodeTied", tied_with("title", json!(7)));
    let mut newer = story();
    newer.events[0].schema_version = 2;
    for broken in [unborn, twice, shapeless, newer] {
        assert!(fold(&NodeMap, &broken.events).is_err());
        assert_eq!(NodeMap.keys_without_payload(&broken.events[0]), [NODE]);
    }
}

#[test]
fn an_answer_has_the_contracts_shape() {
    let shape = serde_json::to_value(NodeShape::from(fields(&story()))).unwrap();
    assert_eq!(
        shape,
        json!({
            "id": NODE, "kind": "Ort", "title": "Brotbackofen", "summary": "Samstags",
            "info": "**Mehl** mitbringen", "tags": ["brot", "thema:ernaehrung"], "address": "Hof 3",
            "location": {"lat": 53.55, "lon": 9.99}, "search_visibility": "public", "created_by": CREATOR,
            "conversation_id": Uuid::from_u128(0xc0), "created_at": "2026-09-21T14:13:21.123Z",
            "updated_at": "2026-09-21T14:13:21.123Z", "version": 1,
        })
    );
}
