use std::collections::BTreeMap;

use kernel::RecordedEvent;
use serde_json::json;
use uuid::Uuid;

use super::{StatKey, StatRow, Statistics, Thing, totals};
use crate::testing::{ACTOR, Scratch, Story, fold, occurred_at};

const NODE: Uuid = Uuid::from_u128(0x0d);
const OTHER: Uuid = Uuid::from_u128(0x0e);

fn story() -> Vec<RecordedEvent> {
    let mut events = Story::of("node", NODE)
        .then("NodeTied", json!({}))
        .then("NodeRevised", json!({}))
        .then("NodeRemoved", json!({}))
        .events;
    events.extend(Story::of("node", OTHER).then("NodeTied", json!({})).events);
    events.extend(Story::of("message", NODE).then("MessagePosted", json!({})).events);
    events
}

#[test]
fn a_day_counts_what_began_and_ended_and_an_account_once() {
    let day = occurred_at(1).date_naive();
    let rows = fold(&Statistics, &story()).unwrap();
    let expected = BTreeMap::from([
        (StatKey::Day(day, Thing::Nodes), StatRow::Day { begun: 2, ended: 1 }),
        (StatKey::Day(day, Thing::Messages), StatRow::Day { begun: 1, ended: 0 }),
        (StatKey::Active(day, ACTOR), StatRow::Active),
        (StatKey::Last(ACTOR), StatRow::Last(day)),
    ]);
    assert_eq!(rows, expected);
}

#[test]
fn what_the_system_did_makes_nobody_active() {
    let mut events = Story::of("account", NODE).then("AccountPromoted", json!({})).events;
    let metadata = events[0].metadata.get().replace(&ACTOR.to_string(), "system");
    events[0].metadata = serde_json::value::RawValue::from_string(metadata).unwrap();
    assert!(fold(&Statistics, &events).unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn the_window_moves_with_the_clock_and_not_with_the_rows() {
    let scratch = Scratch::begin().await;
    for event in story().chunks(2) {
        scratch.apply(&Statistics, event).await;
    }
    let now = occurred_at(1);
    let numbers = |after_days| {
        let pool = &scratch.pool;
        async move {
            let found = totals(pool, now + chrono::TimeDelta::days(after_days)).await.unwrap();
            (found.nodes, found.messages, found.active.day, found.active.last_30_days)
        }
    };
    assert_eq!(numbers(0).await, (1, 1, 1, 1));
    assert_eq!(numbers(29).await, (1, 1, 0, 1));
    assert_eq!(numbers(30).await, (1, 1, 0, 0));
    scratch.end().await;
}
