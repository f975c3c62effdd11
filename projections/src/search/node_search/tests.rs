use serde_json::json;
use uuid::Uuid;

use super::{NodeSearch, SearchRow, change::SEARCH_EVENT_TYPES, texts::Texts};
use crate::{
    testing::{Story, fold},
    weave::{
        node::{
            NODE_EVENT_TYPES, NodeFields,
            tests::{CREATOR, NODE, story},
        },
        node_map::NodeMap,
    },
};

fn fields(story: &Story) -> NodeFields {
    match fold(&NodeSearch::default(), &story.events).unwrap().remove(&NODE) {
        Some(SearchRow::Node(fields)) => *fields,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_has_the_fields_of_the_maps() {
    let story = story().then("NodeRevised", json!({"title": "Lehmofen", "tags": ["brot"]}));
    let map = fold(&NodeMap, &story.events).unwrap().remove(&NODE).unwrap();
    assert_eq!(fields(&story), map);
}

#[test]
fn it_misses_no_event_of_a_node() {
    for wanted in NODE_EVENT_TYPES {
        assert!(SEARCH_EVENT_TYPES.contains(wanted), "{wanted}");
    }
}

#[test]
fn hidden_and_revoked_nodes_keep_their_fields_and_have_no_words() {
    let mut story = story();
    for (word, found) in [("hidden", false), ("public", true), ("revoked", false), ("private", true)] {
        story = story.then("NodeVisibilityChanged", json!({"from": "public", "to": word}));
        let fields = fields(&story);
        assert!(fields.title.is_some());
        assert_eq!(Texts::of(&fields).is_some(), found, "{word}");
    }
}

#[test]
fn a_removed_node_has_no_row_and_its_creator_may_leave_later() {
    let removed = story().then("NodeRemoved", json!({"last_title": "Lehmofen"}));
    assert!(fold(&NodeSearch::default(), &removed.events).unwrap().is_empty());
    let unbound = removed.then("NodeCreatorUnbound", json!({}));
    assert!(fold(&NodeSearch::default(), &unbound.events).unwrap().is_empty());
    let alive = story().then("NodeCreatorUnbound", json!({}));
    assert_eq!(fields(&alive).created_by, None);
}

#[test]
fn an_account_is_only_whether_it_may_act() {
    let owner = |story: &Story| fold(&NodeSearch::default(), &story.events).unwrap().remove(&CREATOR);
    // What is personal is not even looked at: a payload of any shape will do.
    let mut story = Story::of("account", CREATOR).then("AccountRegistered", json!({"title": "CANARY"}));
    assert_eq!(owner(&story), Some(SearchRow::Owner { active: true }));
    story = story.then("AccountDisabled", json!({}));
    assert_eq!(owner(&story), Some(SearchRow::Owner { active: false }));
    story = story.then("AccountReactivated", json!({}));
    assert_eq!(owner(&story), Some(SearchRow::Owner { active: true }));
    story = story.then("AccountLeft", json!({}));
    assert_eq!(owner(&story), None);
}

#[test]
fn what_cannot_follow_is_refused() {
    let lone = |aggregate, event: &str| Story::of(aggregate, Uuid::nil()).then(event, json!({}));
    for story in [lone("account", "AccountDisabled"), lone("account", "AccountLeft")] {
        assert!(fold(&NodeSearch::default(), &story.events).is_err());
    }
    let twice = story().then("AccountRegistered", json!({}));
    assert!(fold(&NodeSearch::default(), &twice.events).is_err());
}
