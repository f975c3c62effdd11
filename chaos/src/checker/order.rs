use std::collections::HashMap;

use uuid::Uuid;

use super::{Check, Event, Evidence, digest, first};
use crate::history::{Entry, Line};

/// I3, I4 and I8.
pub fn check(evidence: &Evidence, checks: &mut Vec<Check>) {
    checks.push(versions(&evidence.log));
    checks.push(positions(evidence));
    checks.push(points(&evidence.history, evidence.head));
}

fn versions(log: &[Event]) -> Check {
    let mut last: HashMap<Uuid, i64> = HashMap::new();
    let mut wrong = Vec::new();
    for event in log {
        let version = last.entry(event.aggregate_id).or_default();
        if event.version != *version + 1 {
            wrong.push(event.position);
        }
        *version = event.version;
    }
    Check {
        name: "I3",
        what: "versions of an aggregate are 1..n without gap or repeat",
        ok: wrong.is_empty() && !log.is_empty(),
        found: format!("{} aggregates, {} breaks{}", last.len(), wrong.len(), first(&wrong)),
    }
}

fn positions(evidence: &Evidence) -> Check {
    let log = &evidence.log;
    let gaps: Vec<i64> =
        (1..).zip(log).filter(|(expected, event)| event.position != *expected).map(|(at, _)| at).collect();
    let ends = log.last().map_or(0, |event| event.position) == evidence.head;
    let (mut reads, mut changed) = (0, Vec::new());
    let mut reached = 0;
    for line in &evidence.history {
        let Entry::Read { after, to, digest: seen } = &line.entry else { continue };
        reads += 1;
        reached = reached.max(*to);
        let range = usize::try_from(*after).ok().zip(usize::try_from(*to).ok());
        let now = range.and_then(|(after, to)| log.get(after..to)).map(digest);
        if now.as_ref() != Some(seen) {
            changed.push(format!("{} to {to}", after + 1));
        }
    }
    Check {
        name: "I4",
        what: "positions are gapless and immutable: what a reader saw once is there still, and nothing \
               came in before it",
        ok: gaps.is_empty() && ends && changed.is_empty() && reads > 0,
        found: format!(
            "head {}, {} gaps{}; {reads} reads up to {reached}, {} changed since{}",
            evidence.head,
            gaps.len(),
            first(&gaps),
            changed.len(),
            first(&changed),
        ),
    }
}

fn points(history: &[Line], head: i64) -> Check {
    let mut last: HashMap<&str, i64> = HashMap::new();
    let (mut looks, mut beyond, mut back) = (0, Vec::new(), Vec::new());
    let mut heads = 0;
    for line in history {
        let Entry::Checkpoints { head, points } = &line.entry else { continue };
        looks += 1;
        if *head < heads {
            back.push(format!("the head itself: {head} after {heads}"));
        }
        heads = heads.max(*head);
        for (name, point) in points {
            if point > head {
                beyond.push(format!("{name} at {point} of {head}"));
            }
            let before = last.insert(name, *point).unwrap_or_default();
            if *point < before {
                back.push(format!("{name} from {before} to {point}"));
            }
        }
    }
    Check {
        name: "I8",
        what: "checkpoints never pass the head and never move back",
        ok: looks > 0 && beyond.is_empty() && back.is_empty() && heads <= head,
        found: format!(
            "{looks} looks at {} checkpoints, {} beyond the head{}, {} moved back{}",
            last.len(),
            beyond.len(),
            first(&beyond),
            back.len(),
            first(&back),
        ),
    }
}
