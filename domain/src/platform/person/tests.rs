use kernel::{Class, Personal};
use uuid::Uuid;

use super::*;
use crate::{
    Aggregate, CommunityRole, DecideContext, PlatformRoles, Principal, Rejection,
    RejectionKind::{Forbidden, Invalid, Missing, State},
};

const ADA: Uuid = Uuid::from_u128(0xada);
const BOB: Uuid = Uuid::from_u128(0xb0b);

const fn of(id: Uuid, active: bool, platform: PlatformRoles) -> Principal {
    Principal::Account { id, role: Some(CommunityRole::Guest), active, platform }
}

const NO_ROLE: PlatformRoles = PlatformRoles { admin: false, auditor: false, operator: false };
const OPERATOR: PlatformRoles = PlatformRoles { operator: true, ..NO_ROLE };

fn context(principal: Principal) -> DecideContext {
    DecideContext { principal, aggregate_id: person_id(ADA), now: chrono::DateTime::UNIX_EPOCH }
}

fn reason(text: &str) -> Reason {
    Reason::parse(text).unwrap()
}

fn ask(content: Contents, reason: Option<Reason>) -> PersonCommand {
    PersonCommand::RequestForget(RequestForget { account_id: ADA, content, reason })
}

fn person(events: &[PersonEvent]) -> Person {
    let mut person = Person::default();
    events.iter().for_each(|event| person.apply(event));
    person
}

fn decide(
    person: &Person,
    principal: Principal,
    command: &PersonCommand,
) -> Result<Vec<PersonEvent>, Rejection> {
    person.decide(command, &context(principal))
}

fn forgotten(classes: &[Class]) -> PersonEvent {
    PersonForgotten { account_id: ADA, classes: classes.to_vec() }.into()
}

#[test]
fn one_asks_for_oneself_also_after_leaving_and_an_operator_gives_a_reason() {
    for active in [true, false] {
        let events = decide(&person(&[]), of(ADA, active, NO_ROLE), &ask(Contents::Erase, None)).unwrap();
        let request_id = forget_request_id(ADA, Contents::Erase);
        let expected =
            ForgetRequested { account_id: ADA, request_id, content: Contents::Erase, reason: None };
        assert_eq!(events, [expected.into()]);
    }
    let stranger = decide(&person(&[]), of(BOB, true, NO_ROLE), &ask(Contents::Erase, None));
    assert_eq!(stranger.unwrap_err().kind, Forbidden);
    let bare = decide(&person(&[]), of(BOB, true, OPERATOR), &ask(Contents::Erase, None)).unwrap_err();
    assert_eq!((bare.kind, bare.pointer), (Invalid, Some("/reason")));
    let with = ask(Contents::Erase, Some(reason("a letter of 3 May")));
    let events = decide(&person(&[]), of(BOB, true, OPERATOR), &with).unwrap();
    let PersonEvent::ForgetRequested(requested) = &events[0] else { panic!("{events:?}") };
    let sealed = Personal::new(Class::Identity, ADA, reason("a letter of 3 May"));
    assert_eq!(requested.reason, Some(sealed), "about the person, so it goes with them");
    let idle = decide(&person(&[]), of(BOB, false, OPERATOR), &with).unwrap_err();
    assert_eq!(idle.kind, Forbidden, "a disabled operator");
}

#[test]
fn asking_again_changes_nothing_but_more_may_be_asked_for() {
    let system = Principal::System;
    let first = decide(&person(&[]), system, &ask(Contents::Keep, None)).unwrap();
    let after = person(&first);
    assert_eq!(decide(&after, system, &ask(Contents::Keep, None)).unwrap(), []);
    let more = decide(&after, system, &ask(Contents::Erase, None)).unwrap();
    assert_eq!(more.len(), 1);
    let after = person(&[first, more].concat());
    assert_eq!(decide(&after, system, &ask(Contents::Keep, None)).unwrap(), [], "less than asked for");
    assert_ne!(forget_request_id(ADA, Contents::Keep), forget_request_id(ADA, Contents::Erase));
}

#[test]
fn no_reason_is_stored_once_the_identity_is_forgotten() {
    let after = person(&[forgotten(&[Class::Identity, Class::Contact, Class::Location])]);
    let events = decide(&after, Principal::System, &ask(Contents::Erase, Some(reason("x")))).unwrap();
    let PersonEvent::ForgetRequested(requested) = &events[0] else { panic!("{events:?}") };
    assert_eq!(requested.reason, None);
}

#[test]
fn a_hold_is_placed_once_and_released_once_and_never_on_nothing() {
    let place = PersonCommand::PlaceHold(PlaceHold { account_id: ADA, reason: reason("court 4711") });
    let release = PersonCommand::ReleaseHold(ReleaseHold { account_id: ADA, reason: reason("over") });
    let system = Principal::System;
    assert_eq!(decide(&person(&[]), system, &release).unwrap_err().kind, State);
    let placed = decide(&person(&[]), system, &place).unwrap();
    let after = person(&placed);
    assert!(after.held && after.hold_reason.is_some());
    assert_eq!(decide(&after, system, &place).unwrap(), []);
    let released = decide(&after, system, &release).unwrap();
    assert!(!person(&[placed, released].concat()).held);
    assert_eq!(decide(&person(&[forgotten(&Class::ALL)]), system, &place).unwrap_err().kind, State);
    assert_eq!(decide(&person(&[]), of(ADA, true, NO_ROLE), &place).unwrap_err().kind, Forbidden);
}

#[test]
fn what_was_destroyed_is_recorded_once_and_by_the_system_only() {
    let classes = vec![Class::Contact, Class::Identity, Class::Contact];
    let record = PersonCommand::RecordForgotten(RecordForgotten { account_id: ADA, classes });
    let events = decide(&person(&[]), Principal::System, &record).unwrap();
    assert_eq!(events, [forgotten(&[Class::Identity, Class::Contact])]);
    assert_eq!(decide(&person(&events), Principal::System, &record).unwrap(), []);
    assert_eq!(decide(&person(&[]), of(ADA, true, OPERATOR), &record).unwrap_err().kind, Forbidden);
}

#[test]
fn a_command_for_another_account_than_the_streams_is_refused() {
    let foreign = RequestForget { account_id: BOB, content: Contents::Erase, reason: None };
    let error = decide(&person(&[]), Principal::System, &PersonCommand::RequestForget(foreign)).unwrap_err();
    assert_eq!(error.kind, Missing);
}
