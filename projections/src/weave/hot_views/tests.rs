use chrono::{DateTime, TimeDelta, Utc};
use domain::weave::conversation::{ConversationKind, conversation_id};
use kernel::RecordedEvent;
use serde_json::json;
use uuid::Uuid;

use super::{
    State, Window,
    window::{Bucket, hour_of},
};
use crate::testing::{ACTOR, Story, occurred_at};

const NODE: Uuid = Uuid::from_u128(0x0d);

fn conversation() -> Uuid {
    conversation_id(ConversationKind::Node, NODE)
}

fn tied() -> Story {
    Story::of("node", NODE).then("NodeTied", json!({})).then("NodeRevised", json!({"title": "x"}))
}

fn posted(n: u128) -> RecordedEvent {
    let payload =
        json!({"conversation_id": conversation(), "author_id": ACTOR, "content": {"$redacted": true}});
    Story::of("message", Uuid::from_u128(n)).then("MessagePosted", payload).events.remove(0)
}

fn state(events: &[RecordedEvent]) -> State {
    let mut state = State::default();
    state.take(events);
    state
}

#[test]
fn a_window_is_exactly_its_hours() {
    let begin = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    for step in 0..50 {
        let now = begin + TimeDelta::hours(step);
        for window in [Window::Day, Window::Week, Window::Month] {
            let mut hours = Vec::new();
            for bucket in window.buckets(now) {
                match bucket {
                    Bucket::Hour(hour) => hours.push(hour),
                    Bucket::Day(day) => hours.extend(day * 24..(day + 1) * 24),
                }
            }
            let last = hour_of(now.timestamp_millis());
            assert!(hours.iter().copied().eq(last - window.hours() + 1..=last), "{window:?} at {now}");
        }
    }
}

#[test]
fn acts_have_weights_and_the_window_moves_with_the_clock() {
    let mut events = tied().events;
    events.extend([posted(1), posted(2)]);
    let state = state(&events);
    let at = |hours| occurred_at(2) + TimeDelta::hours(hours);
    assert_eq!(state.ranked(Window::Day, at(0)), [(conversation(), 3 + 1 + 2 + 2)]);
    assert_eq!(state.ranked(Window::Day, at(23)).len(), 1);
    assert!(state.ranked(Window::Day, at(24)).is_empty());
    assert_eq!(state.ranked(Window::Week, at(167)).len(), 1);
    assert!(state.ranked(Window::Week, at(168)).is_empty());
    assert_eq!(state.ranked(Window::Month, at(719)).len(), 1);
    assert!(state.ranked(Window::Month, at(720)).is_empty());
}

#[test]
fn a_thread_is_one_per_account_and_kind_and_fades_after_exactly_168_hours() {
    let mut events = tied().events;
    events.extend([posted(1), posted(2)]);
    let state = state(&events);
    let live = |now: DateTime<Utc>| state.live_threads(conversation(), now);
    assert_eq!(live(occurred_at(2)), 2);
    // The messages are one second older than the revision.
    assert_eq!(live(occurred_at(1) + TimeDelta::hours(168)), 1);
    assert_eq!(live(occurred_at(2) + TimeDelta::hours(168)), 0);
}

#[test]
fn who_leaves_takes_the_threads_along_and_so_does_a_removed_node() {
    let removed = state(&tied().then("NodeRemoved", json!({"last_title": "x"})).events);
    assert_eq!(removed.live_threads(conversation(), occurred_at(3)), 0);
    let mut events = tied().events;
    events.push(posted(1));
    events.extend(Story::of("account", ACTOR).then("AccountLeft", json!({})).events);
    let left = state(&events);
    assert_eq!(left.live_threads(conversation(), occurred_at(3)), 0);
    assert_eq!(left.ranked(Window::Day, occurred_at(3)).len(), 1);
}

#[test]
fn what_is_kept_depends_on_the_log_and_not_on_how_it_was_cut() {
    let mut events = Vec::new();
    for n in 0..400_u32 {
        let mut event = posted(u128::from(n));
        let at = occurred_at(1) + TimeDelta::hours(i64::from(n) * 7 % 2_000);
        let metadata = event
            .metadata
            .get()
            .replace(&serde_json::to_string(&occurred_at(1)).unwrap(), &serde_json::to_string(&at).unwrap());
        event.metadata = serde_json::value::RawValue::from_string(metadata).unwrap();
        events.push(event);
    }
    let whole = state(&events);
    let mut pieces = State::default();
    events.chunks(3).for_each(|chunk| pieces.take(chunk));
    assert_eq!(whole, pieces);
    assert!(whole.hours.len() < 200, "old hours are dropped: {}", whole.hours.len());
}
