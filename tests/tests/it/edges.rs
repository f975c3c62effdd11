//! Which crate may import which: the architecture's table, read out of `cargo metadata`.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// (crate, crates of ours it may import, outside crates it must never import)
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("kernel", &[], &["tokio", "sqlx", "axum", "async-nats", "cqrs-es", "sha2"]),
    ("domain", &["kernel"], &["tokio", "sqlx", "axum", "async-nats", "rand"]),
    ("eventstore", &["kernel"], &["axum"]),
    ("commands", &["kernel", "domain", "eventstore"], &["axum", "sqlx", "async-nats"]),
    ("projections", &["kernel", "domain", "eventstore"], &["axum", "async-nats"]),
    (
        "lifecycle",
        &["kernel", "domain", "eventstore", "commands", "projections"],
        &["axum", "async-nats", "cqrs-es"],
    ),
    ("embedded", &[], &["axum", "sqlx", "async-nats"]),
    (
        "api",
        &["kernel", "domain", "eventstore", "commands", "projections", "lifecycle", "embedded"],
        &["cqrs-es", "postgres-es"],
    ),
    (
        "replay",
        &["kernel", "domain", "eventstore", "commands", "projections", "lifecycle", "embedded"],
        &["axum", "postgres-es"],
    ),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let mut found = vec![];
    for (name, may, never) in ALLOWED {
        let package = packages.iter().find(|package| package["name"] == *name);
        let Some(package) = package else {
            found.push(format!("the crate {name} is gone"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let import = dependency["name"].as_str().unwrap();
            // What a crate's own tests use says nothing about its layers.
            if dependency["kind"] == "dev" {
                continue;
            }
            if (ours.contains(import) && !may.contains(&import)) || never.contains(&import) {
                found.push(format!("{name} imports {import}"));
            }
        }
    }
    found
}

#[test]
fn the_crates_import_only_what_the_architecture_allows() {
    assert_eq!(violations(&metadata()), Vec::<String>::new());
}

/// Negative control.
#[test]
fn a_forbidden_import_would_be_found() {
    let mut metadata = metadata();
    for package in metadata["packages"].as_array_mut().unwrap() {
        if package["name"] == "domain" {
            let sqlx = serde_json::json!({"name": "sqlx", "kind": null});
            package["dependencies"].as_array_mut().unwrap().push(sqlx);
        }
        if package["name"] == "eventstore" {
            let domain = serde_json::json!({"name": "domain", "kind": null});
            package["dependencies"].as_array_mut().unwrap().push(domain);
        }
    }
    assert_eq!(violations(&metadata), ["domain imports sqlx", "eventstore imports domain"]);
}

/// SQL belongs beside the log and the read models, never into the edge.
#[test]
fn the_edge_contains_no_sql() {
    fn walk(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                if text.contains("sqlx::query") {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    let mut found = vec![];
    walk(concat!(env!("CARGO_MANIFEST_DIR"), "/../api/src").as_ref(), &mut found);
    assert_eq!(found, Vec::<String>::new());
}
