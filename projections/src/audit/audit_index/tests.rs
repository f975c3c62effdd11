use kernel::Projection;
use serde_json::json;
use uuid::Uuid;

use super::AuditIndex;
use crate::testing::{Story, fold, occurred_at};

const ID: Uuid = Uuid::from_u128(0xa0);

#[test]
fn every_event_of_every_type_gets_its_row() {
    assert!(AuditIndex::EVENT_TYPES.is_empty(), "no list: a type nobody thought of is indexed as well");
    let story = Story::of("node", ID).then("NodeTied", json!({})).then("NobodyKnowsThis", json!({"x": 1}));
    let rows = fold(&AuditIndex, &story.events).unwrap();
    assert_eq!(rows.len(), 2);
    let row = &rows[&story.events[1].position];
    assert_eq!((row.event_id, row.event_type.as_str()), (story.events[1].event_id, "NobodyKnowsThis"));
    assert_eq!((row.aggregate_type.as_str(), row.aggregate_id), ("node", ID));
    assert_eq!(row.occurred_at, occurred_at(2));
}
