use super::*;
use crate::{
    EventPayload,
    RejectionKind::Invalid,
    weave::values::{Location, Radius, distance_m},
};

fn home() -> Location {
    Location::parse(53.55, 9.99).unwrap()
}

fn elsewhere() -> Location {
    Location::parse(48.14, 11.58).unwrap()
}

/// Other random numbers with every call, as in reality.
fn place(map_state: MapState, location: Option<Location>, radius: Option<u32>) -> AccountCommand {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CALLS: AtomicU32 = AtomicU32::new(1);
    let call = f64::from(CALLS.fetch_add(1, Ordering::Relaxed));
    let (u, v) = ((call * 0.618_033_98).fract(), (call * 0.414_213_56).fract());
    AccountCommand::Place(PlaceAccount {
        map_state,
        location,
        radius_m: radius.map(|metres| Radius::parse(metres).unwrap()),
        u,
        v,
    })
}

/// Runs the commands one after the other; each must decide something.
fn after(commands: impl IntoIterator<Item = AccountCommand>) -> Account {
    commands.into_iter().fold(given::<Account>([registered()]).state, |state, command| step(state, command).1)
}

fn step(state: Account, command: AccountCommand) -> (AccountPlaced, Account) {
    let mut given = given::<Account>([]);
    given.state = state;
    let (events, state) = given.when(command).then_some();
    let [AccountEvent::Placed(placed)] = &events[..] else { panic!("one AccountPlaced, not {events:?}") };
    ((**placed).clone(), state)
}

fn unchanged(state: &Account, command: AccountCommand) {
    let mut given = given::<Account>([]);
    given.state = state.clone();
    given.when(command).then_nothing();
}

fn shown(state: &Account) -> Option<Location> {
    state.living().unwrap().place.public_position().and_then(Personal::value).copied()
}

use MapState::{Exact, NotOnMap, Radius as Within};

#[test]
fn exact_shows_the_anchor_itself() {
    let (placed, state) = step(after([]), place(Exact, Some(home()), None));
    assert_eq!(placed.radius_m.metres(), 250);
    assert_eq!(placed.location, placed.public_position);
    assert_eq!(shown(&state), Some(home()));
    assert!(state.is_on_map());
}

#[test]
fn radius_shows_a_point_within_it_and_never_the_anchor() {
    for metres in [50, 250, 5_000] {
        let state = after([place(Within, Some(home()), Some(metres))]);
        let distance = distance_m(home(), shown(&state).unwrap());
        assert!((0.01..=f64::from(metres)).contains(&distance), "{distance} m of {metres}");
    }
}

#[test]
fn to_be_on_the_map_needs_a_location() {
    for map_state in [Exact, Within] {
        given::<Account>([registered()])
            .when(place(map_state, None, None))
            .then_rejected(Invalid, "location-required");
    }
    assert!(!after([]).is_on_map());
}

#[test]
fn the_point_is_kept_through_hiding_and_showing() {
    let mut state = after([place(Within, Some(home()), None)]);
    let point = shown(&state);
    for _ in 0..3 {
        let (placed, hidden) = step(state, place(NotOnMap, None, None));
        assert!(placed.location.is_none() && placed.public_position.is_none());
        assert_eq!(shown(&hidden), None);
        let (placed, visible) = step(hidden, place(Within, None, None));
        assert!(placed.location.is_none(), "the anchor did not change");
        assert_eq!(shown(&visible), point);
        state = visible;
    }
}

#[test]
fn the_point_is_kept_while_the_account_shows_exactly() {
    let state = after([place(Within, Some(home()), None)]);
    let point = shown(&state);
    let (_, exact) = step(state, place(Exact, None, None));
    assert_eq!(shown(&exact), Some(home()));
    let (_, again) = step(exact, place(Within, Some(home()), Some(250)));
    assert_eq!(shown(&again), point);
}

#[test]
fn from_exact_to_radius_the_anchor_is_no_longer_shown() {
    let state = after([place(Exact, Some(home()), None), place(Within, None, None)]);
    assert_ne!(shown(&state), Some(home()));
}

#[test]
fn another_anchor_or_radius_gives_another_point() {
    let state = after([place(Within, Some(home()), None)]);
    let point = shown(&state);
    let (placed, moved) = step(state.clone(), place(Within, Some(elsewhere()), None));
    assert_eq!(placed.location.unwrap().value(), Some(&elsewhere()));
    assert!(distance_m(elsewhere(), shown(&moved).unwrap()) <= 250.0);
    let (placed, wider) = step(state, place(Within, None, Some(500)));
    assert!(placed.location.is_none());
    assert_ne!(shown(&wider), point);
}

#[test]
fn an_anchor_or_radius_changed_while_hidden_makes_the_old_point_void() {
    for change in [place(NotOnMap, Some(elsewhere()), None), place(NotOnMap, None, Some(300))] {
        let state = after([place(Within, Some(home()), None)]);
        let point = shown(&state);
        let (placed, hidden) = step(state, change);
        assert!(placed.public_position.is_none(), "nothing is shown while hidden");
        let (_, visible) = step(hidden, place(Within, None, None));
        assert!(shown(&visible).is_some());
        assert_ne!(shown(&visible), point);
    }
}

#[test]
fn placing_oneself_where_one_is_records_nothing() {
    let state = after([place(Within, Some(home()), Some(100))]);
    unchanged(&state, place(Within, None, None));
    unchanged(&state, place(Within, Some(home()), Some(100)));
    let (_, exact) = step(state, place(Exact, None, None));
    unchanged(&exact, place(Exact, Some(home()), None));
    let (_, hidden) = step(exact, place(NotOnMap, None, None));
    unchanged(&hidden, place(NotOnMap, Some(home()), None));
    unchanged(&after([]), place(NotOnMap, None, Some(250)));
}

#[test]
fn an_erased_anchor_counts_as_unknown() {
    let mut state = after([place(Within, Some(home()), None)]);
    let erased = || Some(Personal::Erased { class: Class::Location, subject: SUBJECT, sealed: None });
    state.apply(
        &AccountPlaced {
            map_state: Within,
            radius_m: Radius::default(),
            location: erased(),
            public_position: erased(),
        }
        .into(),
    );
    let mut refused = given::<Account>([]);
    refused.state = state.clone();
    refused.when(place(Exact, None, None)).then_rejected(Invalid, "location-required");
    let (placed, shown_again) = step(state.clone(), place(Within, Some(home()), None));
    assert!(placed.location.is_some(), "the log has it no longer");
    assert!(shown(&shown_again).is_some());
    let (_, hidden) = step(state, place(NotOnMap, None, None));
    assert!(!hidden.is_on_map());
}

#[test]
fn an_erased_point_is_drawn_again_from_a_living_anchor() {
    let mut state = after([place(Within, Some(home()), None)]);
    let erased = Personal::Erased { class: Class::Location, subject: SUBJECT, sealed: None };
    let repeated = AccountPlaced {
        map_state: Within,
        radius_m: Radius::default(),
        location: None,
        public_position: Some(erased),
    };
    state.apply(&repeated.into());
    let (placed, _) = step(state, place(Within, None, None));
    assert!(placed.location.is_none() && placed.public_position.is_some());
}

#[test]
fn a_repeated_point_is_sealed_afresh_for_its_own_event() {
    let state = after([place(Within, Some(home()), None), place(NotOnMap, None, None)]);
    let (placed, _) = step(state, place(Within, None, None));
    let payload = AccountEvent::from(placed).to_payload();
    assert!(payload["public_position"].get("$personal").is_some(), "{payload}");
}

#[test]
fn the_point_survives_a_snapshot_bit_by_bit() {
    let state = after([place(Within, Some(home()), None)]);
    let snapshot = serde_json::to_string(&state).unwrap();
    assert_eq!(shown(&serde_json::from_str(&snapshot).unwrap()), shown(&state));
}
