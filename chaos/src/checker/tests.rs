//! Hand-made histories: one where everything is as promised, and for each promise one or more in
//! which it is broken. Every one of those has to turn exactly its own check red.

use serde_json::json;

use super::*;
use crate::history::Invoke;

fn id(number: u64) -> Uuid {
    Uuid::from_u128(number.into())
}

fn event(position: i64, aggregate: u64, version: i64, op: u64) -> Event {
    Event {
        position,
        event_id: id(1_000 + position.unsigned_abs()),
        aggregate_id: id(aggregate),
        version,
        event_type: "NodeTied".into(),
        payload_hash: vec![position as u8; 32],
        command_id: id(2_000 + op),
        trace: Some(format!("{op:032x}")),
        system: false,
    }
}

fn invoke(op: u64, attempt: u32, makes: usize) -> Entry {
    Entry::Invoke(Invoke {
        op,
        attempt,
        to: "command-1".into(),
        path: format!("/v1/nodes/{}/tie", id(op)),
        body: json!({}),
        actor: id(7),
        key: format!("key-{op}"),
        trace: format!("{op:032x}"),
        makes,
    })
}

fn answer(events: &[&Event]) -> Value {
    let told: Vec<Value> = events
        .iter()
        .map(|event| {
            json!({
                "event_id": event.event_id, "type": event.event_type, "aggregate_id": event.aggregate_id,
                "aggregate_type": "node", "version": event.version, "position": event.position,
            })
        })
        .collect();
    let last = events[events.len() - 1];
    json!({"aggregate_id": last.aggregate_id, "version": last.version, "position": last.position, "events": told})
}

fn ok(op: u64, attempt: u32, answer: Value) -> Entry {
    Entry::Ok { op, attempt, took_ms: 3, answer }
}

fn unknown(op: u64, attempt: u32) -> Entry {
    Entry::Unknown { op, attempt, took_ms: 5_000, status: 0, why: "reset".into(), retry_after: false }
}

fn fail(op: u64, status: u16, retry_after: bool) -> Entry {
    Entry::Fail { op, attempt: 1, took_ms: 1, status, problem: "p".into(), retry_after }
}

fn read(log: &[Event], after: usize, to: usize) -> Entry {
    Entry::Read { after: after as i64, to: to as i64, digest: digest(&log[after..to]) }
}

fn points(head: i64, relay: i64) -> Entry {
    Entry::Checkpoints { head, points: [("outbox jetstream".to_owned(), relay)].into() }
}

/// Op 1 makes two events and is told so twice; op 2 is lost on the way and there; op 3 is lost on
/// the way and absent; op 4 is refused; the last event is the reactor's.
fn promised() -> Evidence {
    let reaction = Event { system: true, trace: None, ..event(4, 11, 3, 9) };
    let log = vec![event(1, 11, 1, 1), event(2, 12, 1, 1), event(3, 11, 2, 2), reaction];
    let first = answer(&[&log[0], &log[1]]);
    let entries = vec![
        invoke(1, 1, 2),
        ok(1, 1, first.clone()),
        points(2, 0),
        invoke(2, 1, 1),
        read(&log, 0, 2),
        Entry::Fault { kind: FaultKind::Kill, what: "kill".into(), whom: "command-1".into(), for_ms: 10 },
        Entry::Fault { kind: FaultKind::Pause, what: "pause".into(), whom: "relay-1".into(), for_ms: 10 },
        unknown(2, 1),
        invoke(3, 1, 1),
        unknown(3, 1),
        invoke(4, 1, 1),
        fail(4, 409, false),
        Entry::Query { path: "/v1/nodes".into(), status: 503, retry_after: true },
        read(&log, 2, 4),
        points(4, 4),
        Entry::Ended { process: "command-1".into(), asked: true, how: "signal 9".into() },
        Entry::Memory { process: "command-1".into(), mib: 100.0 },
        Entry::Recovered { ms: 2_500 },
        Entry::LagZero { ms: Some(1_200) },
        invoke(1, 2, 2),
        ok(1, 2, first),
    ];
    let history = (0..).zip(entries).map(|(time_ms, entry)| Line { time_ms, entry }).collect();
    Evidence {
        history,
        head: 4,
        log,
        reactions: Reactions { left: 1, unbound: 1, forgotten: 0, twice: 0 },
        read_models: json!({"read_models": [
            {"name": "node_page", "agrees": true, "difference": null, "parked_keys": []},
        ]}),
        stream: json!({"first": 1, "last": 4, "equal": 4, "not_published_yet": 0, "first_difference": null}),
    }
}

fn red(evidence: &Evidence) -> Vec<&'static str> {
    check(evidence).checks.iter().filter(|check| !check.ok).map(|check| check.name).collect()
}

impl Evidence {
    fn tell(&mut self, entry: Entry) {
        self.history.push(Line { time_ms: 99, entry });
    }
}

/// Breaks one thing, and names the checks that have to see it.
fn broken(by: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let mut evidence = promised();
    by(&mut evidence);
    red(&evidence)
}

#[test]
fn a_history_that_keeps_every_promise_is_green_and_counted() {
    let verdict = check(&promised());
    assert!(verdict.holds(), "{:#?}", verdict.checks);
    let names: Vec<_> = verdict.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I12", "I13"]);
    assert_eq!(
        verdict.figures.to_string(),
        "chaos: kills=1 pauses=1 acknowledged=1 unknown=2 lost=0 duplicated=0 worst_recovery_s=2.5"
    );
}

#[test]
fn a_lost_acknowledgement_is_red() {
    // The last acknowledged event is gone, and nobody had read it yet.
    let mut evidence = promised();
    let log = &evidence.log;
    let gone = Event { position: 5, event_id: id(1_005), ..event(5, 13, 1, 5) };
    let told = answer(&[&gone]);
    assert_eq!(log.len(), 4);
    evidence.tell(invoke(5, 1, 1));
    evidence.tell(ok(5, 1, told));
    assert_eq!(red(&evidence), ["I1"]);
    assert_eq!(check(&evidence).figures.lost, 1);
    // Another event stands where it should.
    assert_eq!(broken(|e| e.log[2].event_id = id(77)), ["I4"], "an unknown one may be any, a seen one not");
    let found = broken(|e| {
        e.log[0].event_id = id(77);
        e.history.retain(|line| !matches!(line.entry, Entry::Read { after: 0, .. }));
    });
    assert_eq!(found, ["I1"]);
    // Acknowledged, and nothing done.
    assert_eq!(
        broken(|e| {
            e.tell(invoke(6, 1, 1));
            e.tell(ok(6, 1, json!({"version": 1, "position": 1, "events": []})));
        }),
        ["I1"]
    );
}

#[test]
fn a_duplicate_is_red() {
    // The retry of op 2 was carried out once more, as another command.
    let found = |evidence: &mut Evidence| {
        let again = Event { command_id: id(3_000), ..event(5, 11, 4, 2) };
        evidence.log.push(again);
        evidence.head = 5;
        evidence.stream["last"] = json!(5);
    };
    let mut evidence = promised();
    found(&mut evidence);
    assert_eq!(red(&evidence), ["I1"]);
    assert_eq!((check(&evidence).figures.duplicated, check(&evidence).figures.lost), (1, 0));
    // One and the same event id at two positions.
    let mut evidence = promised();
    evidence.log[3].event_id = evidence.log[2].event_id;
    evidence.history.retain(|line| !matches!(line.entry, Entry::Read { after: 2, .. }));
    assert_eq!(red(&evidence), ["I1"]);
    assert_eq!(check(&evidence).figures.duplicated, 1);
}

#[test]
fn an_unknown_one_done_by_halves_is_red() {
    assert_eq!(
        broken(|e| {
            e.tell(invoke(5, 1, 2));
            e.tell(unknown(5, 1));
            e.log.push(event(5, 13, 1, 5));
            e.head = 5;
            e.stream["last"] = json!(5);
        }),
        ["I1"]
    );
}

#[test]
fn a_refused_one_that_was_done_and_an_event_nobody_asked_for_are_red() {
    let with = |op: u64| {
        move |e: &mut Evidence| {
            e.log.push(event(5, 13, 1, op));
            e.head = 5;
            e.stream["last"] = json!(5);
        }
    };
    assert_eq!(broken(with(4)), ["I1"], "refused with 409");
    assert_eq!(broken(with(99)), ["I1"], "of no command");
    assert_eq!(broken(with(3)), Vec::<&str>::new(), "unknown and there after all");
}

#[test]
fn another_answer_on_retry_and_a_key_used_twice_are_red() {
    assert_eq!(
        broken(|e| {
            let told = answer(&[&e.log[2]]);
            e.tell(invoke(2, 2, 1));
            e.tell(ok(2, 2, told.clone()));
            let mut other = told;
            other["version"] = json!(9);
            e.tell(invoke(2, 3, 1));
            e.tell(ok(2, 3, other));
        }),
        ["I2"]
    );
    assert_eq!(
        broken(|e| {
            let Entry::Invoke(mut invoke) = invoke(5, 1, 1) else { unreachable!() };
            invoke.key = "key-3".into();
            e.tell(Entry::Invoke(invoke));
            e.tell(unknown(5, 1));
        }),
        ["I2"]
    );
}

#[test]
fn a_gap_and_a_repeat_of_a_version_are_red() {
    for version in [4, 2] {
        assert_eq!(broken(|e| e.log[3].version = version), ["I3", "I4"], "a reader saw version 3");
        let unseen = broken(|e| {
            e.log[3].version = version;
            e.history.retain(|line| !matches!(line.entry, Entry::Read { after: 2, .. }));
        });
        assert_eq!(unseen, ["I3"]);
    }
}

#[test]
fn a_rewritten_position_and_one_that_came_in_late_are_red() {
    assert_eq!(broken(|e| e.log[1].payload_hash = vec![0; 32]), ["I4"]);
    // A reader went past position 2 before there was one.
    let late = broken(|e| {
        let seen = [e.log[0].clone(), e.log[2].clone()];
        e.tell(Entry::Read { after: 0, to: 3, digest: digest(&seen) });
    });
    assert_eq!(late, ["I4"]);
    let gap = broken(|e| {
        e.log[3].position = 5;
        e.head = 5;
        e.stream["last"] = json!(5);
        e.history.retain(|line| !matches!(line.entry, Entry::Read { .. }));
        e.tell(read(&promised().log, 0, 2));
    });
    assert_eq!(gap, ["I4"]);
    // Without a reader nothing would have been shown.
    assert_eq!(broken(|e| e.history.retain(|line| !matches!(line.entry, Entry::Read { .. }))), ["I4"]);
}

#[test]
fn a_checkpoint_beyond_the_head_or_back_is_red() {
    assert_eq!(broken(|e| e.tell(points(4, 5))), ["I8"]);
    assert_eq!(broken(|e| e.tell(points(4, 3))), ["I8"]);
    assert_eq!(broken(|e| e.tell(points(3, 4))), ["I8"], "the head went back");
}

#[test]
fn a_stream_or_a_read_model_that_differs_is_red() {
    assert_eq!(broken(|e| e.stream["first_difference"] = json!("no message at position 3")), ["I5"]);
    assert_eq!(broken(|e| e.stream["last"] = json!(3)), ["I5"]);
    assert_eq!(broken(|e| e.stream = json!({})), ["I5"], "no answer is no proof");
    let differs = |kind: &'static str| {
        move |e: &mut Evidence| {
            e.read_models["read_models"][0]["agrees"] = json!(false);
            e.read_models["read_models"][0]["difference"] = json!({"kind": kind, "sentence": "s"});
        }
    };
    assert_eq!(broken(differs("missing")), ["I6"]);
    assert_eq!(broken(differs("changed")), ["I6"]);
    assert_eq!(broken(differs("extra")), ["I9"]);
    assert_eq!(broken(differs("events")), ["I9"]);
    assert_eq!(broken(|e| e.read_models["read_models"][0]["agrees"] = json!(false)), ["I6"]);
    assert_eq!(broken(|e| e.read_models["read_models"][0]["parked_keys"] = json!(["k"])), ["I6"]);
    assert_eq!(broken(|e| e.read_models = json!({})), ["I6", "I9"]);
}

#[test]
fn poison_that_nobody_parks_and_a_healthy_key_that_is_parked_are_red() {
    let poisoned = |evidence: &mut Evidence, node: u64, parks: bool, there: bool| {
        evidence.tell(Entry::Poisoned { node: id(node), parks, there });
    };
    let park = |evidence: &mut Evidence, key: String| {
        evidence.read_models["read_models"][0]["parked_keys"] = json!([key]);
    };
    let green: [&str; 0] = [];
    assert_eq!(broken(|e| poisoned(e, 900, true, true)), ["I6"], "not noticed");
    assert_eq!(broken(|e| poisoned(e, 900, false, true)), green, "nobody has to");
    assert_eq!(broken(|e| poisoned(e, 900, true, false)), green, "it may not be there");
    let parked = |e: &mut Evidence| {
        poisoned(e, 900, true, true);
        park(e, format!("n:{}", id(900)));
    };
    assert_eq!(broken(parked), green);
    let another = |e: &mut Evidence| {
        poisoned(e, 900, true, false);
        park(e, id(901).to_string());
    };
    assert_eq!(broken(another), ["I6"], "healthy");
}

#[test]
fn a_reaction_left_out_or_twice_is_red() {
    assert_eq!(broken(|e| e.reactions.forgotten = 1), ["I7"]);
    assert_eq!(broken(|e| e.reactions.twice = 1), ["I7"]);
}

#[test]
fn a_bare_5xx_an_end_by_itself_and_too_much_memory_are_red() {
    assert_eq!(
        broken(|e| {
            e.tell(invoke(5, 1, 1));
            e.tell(fail(5, 500, true));
        }),
        ["I12"]
    );
    assert_eq!(
        broken(|e| e.tell(Entry::Query { path: "/".into(), status: 503, retry_after: false })),
        ["I12"]
    );
    assert_eq!(
        broken(|e| e.tell(Entry::Ended { process: "query".into(), asked: false, how: "signal 6".into() })),
        ["I12"]
    );
    assert_eq!(broken(|e| e.tell(Entry::Memory { process: "query".into(), mib: 600.0 })), ["I12"]);
}

#[test]
fn a_lag_that_stays_is_red() {
    assert_eq!(broken(|e| e.tell(Entry::LagZero { ms: None })), ["I13"]);
    assert_eq!(broken(|e| e.tell(Entry::LagZero { ms: Some(30_001) })), ["I13"]);
    assert_eq!(broken(|e| e.history.retain(|l| !matches!(l.entry, Entry::LagZero { .. }))), ["I13"]);
}
