use std::collections::HashSet;

use domain::weave::conversation::{ConversationKind, conversation_id};
use serde_json::Value;
use uuid::Uuid;

use super::{Check, Evidence, Reactions, first};
use crate::history::{Entry, Line};

/// I5, I6, I7 and I9.
pub fn check(evidence: &Evidence, checks: &mut Vec<Check>) {
    checks.push(stream(&evidence.stream, evidence.head));
    read_models(&evidence.read_models, &evidence.history, checks);
    checks.push(reactions(evidence.reactions));
}

fn stream(told: &Value, head: i64) -> Check {
    let number = |name: &str| told[name].as_i64().unwrap_or(-1);
    let difference = told["first_difference"].as_str();
    let (last, waiting) = (number("last"), number("not_published_yet"));
    Check {
        name: "I5",
        what: "the stream message at sequence p is the event at position p",
        // What the system does by itself (forgetting a person who left) goes on behind the head.
        ok: difference.is_none() && told["first_difference"].is_null() && last >= head && waiting == 0,
        found: difference.map_or_else(
            || format!("sequences {} to {last} of {head}, {} equal", number("first"), number("equal")),
            str::to_owned,
        ),
    }
}

fn read_models(told: &Value, history: &[Line], checks: &mut Vec<Check>) {
    let models = told["read_models"].as_array().map(Vec::as_slice).unwrap_or_default();
    let differing = |extra: bool| -> Vec<String> {
        let is_extra = |kind: &str| matches!(kind, "extra" | "events");
        models
            .iter()
            .filter(|one| match one["difference"]["kind"].as_str() {
                Some(kind) => is_extra(kind) == extra,
                // It says that it differs and not how.
                None => !extra && one["agrees"] != true,
            })
            .map(|one| format!("{}: {}", one["name"], one["difference"]["sentence"]))
            .collect()
    };
    let parked: Vec<&str> = models
        .iter()
        .flat_map(|one| one["parked_keys"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let (healthy, unseen) = poison(history, &parked);
    let (other, extra) = (differing(false), differing(true));
    checks.push(Check {
        name: "I6",
        what: "every read model, Redis included, equals a fold of the log from scratch; parked is \
               what was poisoned, and nothing else",
        ok: other.is_empty() && healthy.is_empty() && unseen.is_empty() && !models.is_empty(),
        found: format!(
            "{} read models{}, {} parked keys, {} of them healthy{}, {} poisoned nodes not noticed{}",
            models.len(),
            first(&other),
            parked.len(),
            healthy.len(),
            first(&healthy),
            unseen.len(),
            first(&unseen),
        ),
    });
    checks.push(Check {
        name: "I9",
        what: "nothing is in a read model that is not in the log",
        ok: extra.is_empty() && !models.is_empty(),
        found: format!("{} read models{}", models.len(), first(&extra)),
    });
}

/// Parked keys of what was never poisoned, and poisoned nodes that nobody parked.
fn poison(history: &[Line], parked: &[&str]) -> (Vec<String>, Vec<Uuid>) {
    let mut known = HashSet::new();
    let mut unseen = Vec::new();
    for line in history {
        let Entry::Poisoned { node, parks, there } = line.entry else { continue };
        let names = [node, conversation_id(ConversationKind::Node, node)].map(|id| id.to_string());
        let named = |key: &str| names.iter().any(|name| key.contains(name.as_str()));
        if there && parks && !parked.iter().any(|key| named(key)) {
            unseen.push(node);
        }
        if parks {
            known.extend(names);
        }
    }
    let healthy = |key: &&&str| !known.iter().any(|name| key.contains(name.as_str()));
    (parked.iter().filter(healthy).map(|key| (*key).to_owned()).collect(), unseen)
}

fn reactions(Reactions { left, unbound, forgotten, twice }: Reactions) -> Check {
    Check {
        name: "I7",
        what: "what the reactor owes is done, exactly once",
        ok: forgotten == 0 && twice == 0,
        found: format!("{left} accounts left, {unbound} works unbound, {forgotten} forgotten, {twice} twice"),
    }
}
