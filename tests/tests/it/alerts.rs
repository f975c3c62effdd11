//! The alarm rules in deploy/alerts: each can fire for this very program, and says what to do.

use std::{collections::BTreeSet, path::Path};

use crate::{
    runbooks::{RUNBOOKS, metrics_in, text_of},
    support::Installation,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/alerts");

/// What an installation without that part does not show, and what Prometheus itself makes.
const ELSEWHERE: [&str; 1] = ["up"];

#[derive(Debug)]
struct Rule {
    name: String,
    expression: String,
    severity: Option<String>,
    runbook: Option<String>,
}

/// As far as our own files go: one key a line, single quotes.
fn rules(file: &str) -> Vec<Rule> {
    let text = std::fs::read_to_string(Path::new(FOLDER).join(file)).unwrap();
    let mut found: Vec<Rule> = vec![];
    for line in text.lines() {
        let line = line.trim_start();
        let plain = |text: &str| text.trim().trim_matches('\'').replace("''", "'");
        if let Some(name) = line.strip_prefix("- alert:") {
            let (name, expression) = (plain(name), String::new());
            found.push(Rule { name, expression, severity: None, runbook: None });
        } else if let Some(rule) = found.last_mut() {
            match line.split_once(':') {
                Some(("expr", expression)) => rule.expression = plain(expression),
                Some(("severity", severity)) => rule.severity = Some(plain(severity)),
                Some(("runbook", runbook)) => rule.runbook = Some(plain(runbook)),
                _ => {}
            }
        }
    }
    found
}

/// Names in an expression that are no function, no keyword, no label and no text.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    const WORDS: [&str; 8] = ["and", "or", "unless", "by", "on", "without", "offset", "ignoring"];
    let (mut names, mut rest) = (BTreeSet::new(), String::new());
    // Without what is in braces, brackets and quotes, and without lists of labels.
    let mut depth = 0;
    for letter in expression.chars() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if depth == 0 => rest.push(letter),
            _ => {}
        }
    }
    for list in ["by (", "on (", "without (", "ignoring ("] {
        while let Some((before, after)) = rest.split_once(list) {
            let after = after.split_once(')').map_or("", |(_, after)| after);
            rest = format!("{before} {after}");
        }
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut left = rest.as_str();
    while let Some(start) = left.find(word) {
        let end = left[start..].find(|c| !word(c)).map_or(left.len(), |length| start + length);
        let (name, after) = (&left[start..end], &left[end..]);
        let number = name.starts_with(|c: char| c.is_ascii_digit());
        if !number && !after.trim_start().starts_with('(') && !WORDS.contains(&name) {
            names.insert(name.trim_end_matches("_bucket").to_owned());
        }
        left = after;
    }
    names
}

#[test]
fn names_are_told_from_words() {
    let of = |text| metrics_of(text).into_iter().collect::<Vec<_>>();
    let quantile =
        "histogram_quantile(0.99, sum by (le, route) (rate(h_seconds_bucket{route!~\"a_b\"}[5m]))) > 1";
    assert_eq!(of(quantile), ["h_seconds"]);
    assert_eq!(of("max(a_b) < max(a_b offset 5m)"), ["a_b"]);
    assert_eq!(of("a_b == 1 and on (instance) c_d > 0"), ["a_b", "c_d"]);
}

#[test]
fn every_metric_of_a_runbook_has_an_alarm_and_every_alarm_its_runbook() {
    let rules = rules("operations.yml");
    assert!(rules.len() >= 25, "{} rules", rules.len());
    let names: BTreeSet<&String> = rules.iter().map(|rule| &rule.name).collect();
    assert_eq!(names.len(), rules.len(), "an alarm is there twice");
    for rule in &rules {
        assert!(["page", "ticket"].contains(&rule.severity.as_deref().unwrap_or("")), "{rule:?}");
        let runbook = rule.runbook.as_deref().and_then(|path| path.strip_prefix("docs/runbooks/"));
        let runbook = runbook.and_then(|path| path.strip_suffix(".md")).unwrap_or_else(|| panic!("{rule:?}"));
        assert!(RUNBOOKS.contains(&runbook), "{}: there is no runbook {runbook}", rule.name);
        assert!(!metrics_of(&rule.expression).is_empty(), "{rule:?}");
    }
    let watched: BTreeSet<String> = rules.iter().flat_map(|rule| metrics_of(&rule.expression)).collect();
    for name in RUNBOOKS {
        for metric in metrics_in(&text_of(name)) {
            assert!(watched.contains(&metric), "{name} names {metric}, and no alarm looks at it");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_every_alarm_is_in_the_metrics_of_a_running_process() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let tied = api
        .command(&token, &format!("/v1/nodes/{}/tie", uuid::Uuid::now_v7()), crate::support::node("Garten"))
        .await;
    assert_eq!(api.get_at("/v1/search?q=garten", "", tied.position()).await.status, 200);
    let mut missing = BTreeSet::new();
    // Some are there only after a first round of what they tell of.
    for _ in 0..100 {
        let said = api.get("/metrics", "").await.text;
        missing = rules("operations.yml")
            .iter()
            .flat_map(|rule| metrics_of(&rule.expression))
            .filter(|metric| {
                !ELSEWHERE.contains(&metric.as_str()) && !said.contains(&format!("# TYPE {metric} "))
            })
            .collect();
        if missing.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("no such metrics: {missing:?}");
}
