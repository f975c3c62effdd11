use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use super::{Check, Event, Op, first};

pub struct Counted {
    pub lost: u64,
    pub duplicated: u64,
}

/// I1 and I2.
pub fn check(ops: &HashMap<u64, Op<'_>>, log: &[Event], checks: &mut Vec<Check>) -> Counted {
    let mut effects: HashMap<&str, Vec<&Event>> = HashMap::new();
    let mut unasked = Vec::new();
    let traces: HashSet<&str> = ops.values().map(|op| op.invoke.trace.as_str()).collect();
    for event in log.iter().filter(|event| !event.system) {
        match event.trace.as_deref().filter(|trace| traces.contains(trace)) {
            Some(trace) => effects.entry(trace).or_default().push(event),
            None => unasked.push(event.position),
        }
    }
    let (mut lost, mut duplicated, mut torn, mut refused) = (vec![], vec![], vec![], vec![]);
    for (number, op) in ops {
        let made = effects.get(op.invoke.trace.as_str()).map_or(&[][..], Vec::as_slice);
        let commands: BTreeSet<Uuid> = made.iter().map(|event| event.command_id).collect();
        if op.answers.iter().any(|answer| !is_there(answer, op.invoke.makes, log)) {
            lost.push(*number);
        }
        if commands.len() > 1 || made.len() > op.invoke.makes {
            duplicated.push(*number);
        } else if !made.is_empty() && made.len() < op.invoke.makes {
            torn.push(*number);
        }
        if op.answers.is_empty() && !op.unknown && !made.is_empty() {
            refused.push(*number);
        }
    }
    for found in [&mut lost, &mut duplicated, &mut torn, &mut refused] {
        found.sort_unstable();
    }
    let mut ids = HashSet::new();
    let doubled: Vec<i64> =
        log.iter().filter(|event| !ids.insert(event.event_id)).map(|event| event.position).collect();
    let acknowledged = ops.values().filter(|op| !op.answers.is_empty()).count();
    checks.push(Check {
        name: "I1",
        what: "every acknowledged command is in the log exactly once, every unknown one whole or absent, \
               nothing else is",
        ok: lost.is_empty()
            && duplicated.is_empty()
            && doubled.is_empty()
            && torn.is_empty()
            && refused.is_empty()
            && unasked.is_empty(),
        found: format!(
            "{acknowledged} acknowledged, {} lost{}, {} duplicated{}, {} by halves{}, {} refused and done{}, \
             {} events twice{}, {} nobody asked for{}",
            lost.len(),
            first(&lost),
            duplicated.len(),
            first(&duplicated),
            torn.len(),
            first(&torn),
            refused.len(),
            first(&refused),
            doubled.len(),
            first(&doubled),
            unasked.len(),
            first(&unasked),
        ),
    });
    checks.push(keys(ops));
    Counted { lost: lost.len() as u64, duplicated: (duplicated.len() + doubled.len()) as u64 }
}

/// Every event of the answer stands where it says, and there are as many as the command makes.
fn is_there(answer: &Value, makes: usize, log: &[Event]) -> bool {
    let Some(events) = answer["events"].as_array() else { return false };
    let stands = |told: &Value| -> Option<bool> {
        let position = told["position"].as_i64()?;
        let event = log.get(usize::try_from(position.checked_sub(1)?).ok()?)?;
        Some(
            event.position == position
                && told["event_id"].as_str()?.parse() == Ok(event.event_id)
                && told["aggregate_id"].as_str()?.parse() == Ok(event.aggregate_id)
                && told["version"].as_i64()? == event.version
                && told["type"].as_str()? == event.event_type,
        )
    };
    events.len() == makes && events.iter().all(|told| stands(told).unwrap_or(false))
}

fn keys(ops: &HashMap<u64, Op<'_>>) -> Check {
    let mut owners: HashMap<(Uuid, &str), u64> = HashMap::new();
    let (mut shared, mut changed, mut again) = (vec![], vec![], 0_usize);
    for (number, op) in ops {
        if owners.insert((op.invoke.actor, &op.invoke.key), *number).is_some() {
            shared.push(*number);
        }
        again += op.answers.len().saturating_sub(1);
        if op.answers.windows(2).any(|two| two[0] != two[1]) {
            changed.push(*number);
        }
    }
    changed.sort_unstable();
    Check {
        name: "I2",
        what: "one idempotency key, one outcome, the same answer on retry",
        ok: shared.is_empty() && changed.is_empty(),
        found: format!(
            "{again} answered again, {} otherwise than before{}, {} keys used twice",
            changed.len(),
            first(&changed),
            shared.len()
        ),
    }
}
