//! Answers that are kept: never too old, never another log's, made once however many ask, and nobody
//! notices that Redis is away.

mod http;
mod kept;
mod model;
mod shared;

use std::collections::BTreeSet;

use projections::cache::{ALWAYS, VIEWS};

#[test]
fn the_table_in_the_documents_is_the_code() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/caches.md")).unwrap();
    let rows: BTreeSet<Vec<String>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    let views: BTreeSet<Vec<String>> = VIEWS
        .iter()
        .map(|view| {
            let events: BTreeSet<&str> = view.events.iter().copied().flatten().copied().collect();
            let route = if view.name == "clusters" { "nodes?cluster=" } else { view.name };
            vec![
                format!("`{}`", view.name),
                format!("`GET /v1/{route}`"),
                view.key.to_owned(),
                format!("{} s", view.ttl.as_secs()),
                format!("{} s", view.behind.as_secs()),
                (if view.shared { "yes" } else { "no" }).to_owned(),
                events.into_iter().collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    assert_eq!(rows, views);
    assert!(text.contains(&format!("without delay: {}.", ALWAYS.join(", "))));
    // What changes a view has to be an event that exists.
    let known: BTreeSet<&str> = domain::catalogue().iter().map(|entry| entry.event_type).collect();
    for view in VIEWS {
        for event in view.events.iter().copied().flatten() {
            assert!(known.contains(event), "{}: {event}", view.name);
        }
    }
}
