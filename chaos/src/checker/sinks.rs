use serde_json::Value;

use super::{Check, Evidence, Reactions, first};

/// I5, I6, I7 and I9.
pub fn check(evidence: &Evidence, checks: &mut Vec<Check>) {
    checks.push(stream(&evidence.stream, evidence.head));
    read_models(&evidence.read_models, &evidence.engines, checks);
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

fn read_models(told: &Value, engines: &[&str], checks: &mut Vec<Check>) {
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
    let parked: usize = models.iter().map(|one| one["parked_keys"].as_array().map_or(0, Vec::len)).sum();
    let (mut other, extra) = (differing(false), differing(true));
    // An engine that does not answer is not compared, and then it does not agree either.
    let missing = engines.iter().filter(|engine| models.iter().all(|one| one["name"] != **engine));
    other.extend(missing.map(|engine| format!("{engine}: not compared")));
    checks.push(Check {
        name: "I6",
        what: "every read model, in Redis and search engines too, equals a fold of the log; nothing is parked",
        ok: other.is_empty() && parked == 0 && !models.is_empty(),
        found: format!("{} read models, {parked} parked keys{}", models.len(), first(&other)),
    });
    checks.push(Check {
        name: "I9",
        what: "nothing is in a read model that is not in the log",
        ok: extra.is_empty() && !models.is_empty(),
        found: format!("{} read models{}", models.len(), first(&extra)),
    });
}

fn reactions(Reactions { left, unbound, forgotten, twice }: Reactions) -> Check {
    Check {
        name: "I7",
        what: "what the reactor owes is done, exactly once",
        ok: forgotten == 0 && twice == 0,
        found: format!("{left} accounts left, {unbound} works unbound, {forgotten} forgotten, {twice} twice"),
    }
}
