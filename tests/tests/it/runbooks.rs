//! Every command of every runbook, in order, on a fresh installation with private servers.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::documents::{Fresh, blocks};

pub const RUNBOOKS: [&str; 12] = [
    "onboarding",
    "postgres-down",
    "nats-down-or-rolled-back",
    "redis-down",
    "search-down",
    "projection-stuck",
    "parked-keys",
    "disk-full",
    "network",
    "api-overload",
    "restore",
    "quarterly-checklist",
];

/// Guides whose commands run behind the runbooks', on the same installation.
const GUIDES: [&str; 1] = ["../gdpr"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks")
}

pub fn text_of(name: &str) -> String {
    let path = folder().join(format!("{name}.md"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words in backticks that look like metrics.
pub fn metrics_in(text: &str) -> BTreeSet<String> {
    const FAMILIES: [&str; 12] = [
        "append_",
        "executor_",
        "relay_",
        "hot_views_",
        "account_map_",
        "reactor_",
        "projection_",
        "pool_",
        "log_",
        "postgres_",
        "http_",
        "sentinel_",
    ];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .filter(|word| FAMILIES.iter().any(|family| word.starts_with(family)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_runbook_is_there_and_none_has_a_command_that_no_test_runs() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "README")
        .collect();
    let known: BTreeSet<String> = RUNBOOKS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(files, known, "a runbook that the test below does not run");
    let index = text_of("README");
    for name in RUNBOOKS {
        let text = text_of(name);
        assert!(index.contains(&format!("({name}.md)")), "{name} is not in the index");
        assert!(blocks(&text).iter().any(|block| !block.commands.is_empty()), "{name} has no commands");
        assert!(blocks(&text).iter().all(|block| !block.expected.is_empty()), "{name}: what is expected?");
        assert!(!metrics_in(&text).is_empty(), "{name} names no metric");
    }
}

#[test]
fn every_command_of_every_runbook_prints_what_it_says() {
    let fresh = Fresh::start("wg-it-runbooks-");
    let mut shell = fresh.shell();
    let mut failed = vec![];
    for name in RUNBOOKS.into_iter().chain(GUIDES) {
        fresh.follow(&mut shell, name, &blocks(&text_of(name)), &mut failed);
    }
    let (said, _) = shell.run(&fresh.here("curl -s http://localhost:8080/metrics"));
    for name in RUNBOOKS {
        for metric in metrics_in(&text_of(name)) {
            if !said.contains(&format!("# TYPE {metric} ")) {
                failed.push(format!("{name}: there is no metric {metric}"));
            }
        }
    }
    shell.end();
    fresh.stop();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
