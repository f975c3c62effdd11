use serde_json::json;
use uuid::Uuid;

use super::{Authorship, Bound};
use crate::testing::{Story, fixtures, fold};

const ID: Uuid = Uuid::from_u128(0xa0);

#[test]
fn what_is_tied_or_posted_is_bound_until_it_is_unbound() {
    for (aggregate_type, begins, field, ends) in [
        ("node", "NodeTied", "created_by", "NodeCreatorUnbound"),
        ("message", "MessagePosted", "author_id", "MessageAuthorUnbound"),
    ] {
        let (_, payload) = fixtures(begins).remove(0);
        let owner: Uuid = payload[field].as_str().unwrap().parse().unwrap();
        let story = Story::of(aggregate_type, ID).then(begins, payload);
        let Bound { aggregate_type: of, account_id } =
            fold(&Authorship, &story.events).unwrap().remove(&ID).unwrap();
        assert_eq!((of.as_str(), account_id), (aggregate_type, owner));
        let after = story.then(ends, json!({}));
        assert!(fold(&Authorship, &after.events).unwrap().is_empty());
    }
}

#[test]
fn an_unknown_version_is_undecodable() {
    let mut story = Story::of("node", ID).then("NodeCreatorUnbound", json!({}));
    story.events[0].schema_version = 2;
    assert!(fold(&Authorship, &story.events).is_err());
}
