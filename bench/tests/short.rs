//! The parts about keys and signing in seconds: they run, and what they measure was done.

#![allow(clippy::unwrap_used)]

use bench::{arguments::Arguments, encrypted, keys, report::Run, sealer};
use clap::Parser;

fn short(scratch: &tempfile::TempDir) -> Arguments {
    let folder = scratch.path().to_str().unwrap();
    Arguments::try_parse_from(["bench", "--short", "--scratch", folder]).unwrap()
}

fn value(runs: &[Run], name: &str) -> f64 {
    runs.iter().find(|run| run.name == name).unwrap_or_else(|| panic!("no {name}: {runs:?}")).value
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_wrapped_again() {
    let scratch = tempfile::tempdir().unwrap();
    let runs = keys::run(&short(&scratch)).await.unwrap();
    assert!(value(&runs, "keys/wrapped-again") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_and_plain_events_are_replayed() {
    let scratch = tempfile::tempdir().unwrap();
    let runs = encrypted::run(&short(&scratch)).await.unwrap();
    assert!(value(&runs, "encryption/sealed") > 0.0 && value(&runs, "encryption/plain") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_go_on_while_they_are_signed() {
    let scratch = tempfile::tempdir().unwrap();
    let runs = sealer::run(&short(&scratch)).await.unwrap();
    assert!(value(&runs, "sealer/on") > 0.0 && value(&runs, "sealer/lag/p99") > 0.0);
}
