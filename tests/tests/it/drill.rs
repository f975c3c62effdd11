//! `replay drill` in its short form: the disaster and the way out of it, with every check held.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::binary;

/// Runs a drill in a process of its own, and reads the report it wrote.
fn drill(arguments: &[&str]) -> Value {
    let folder = tempfile::Builder::new().prefix("wg-it-drill-").tempdir().unwrap();
    let report = folder.path().join("reports");
    let output = Command::new(binary("replay"))
        .args(["drill", "--events", "2000", "--json", "--report"])
        .arg(&report)
        .arg("--folder")
        .arg(folder.path())
        .args(arguments)
        .env_remove("DATABASE_URL")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let text = std::fs::read_to_string(report.join("drill-report.json"))
        .unwrap_or_else(|error| panic!("no report ({error}):\n{told}"));
    let written: Value = serde_json::from_str(&text).unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said, written, "what it says is what it writes");
    assert_eq!(output.status.code(), Some(0), "{told}\n{written:#}");
    let markdown = std::fs::read_to_string(report.join("drill-report.md")).unwrap();
    for check in written["checks"].as_array().unwrap() {
        assert_eq!(check["ok"], true, "{check}");
        assert!(markdown.contains(check["what"].as_str().unwrap()), "{check}");
    }
    for name in ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9"] {
        assert!(written["checks"].as_array().unwrap().iter().any(|one| one["name"] == name), "{name}");
    }
    assert!(told.contains("start Postgres"), "progress is visible: {told}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing but the report is left");
    written
}

#[test]
fn an_asynchronous_standby_loses_what_is_named_and_gets_back_what_the_stream_has() {
    let report = drill(&[]);
    let number = |field: &str| report[field].as_i64().unwrap();
    let (missing, salvaged, lost) =
        (number("missing_before_salvage"), number("salvaged"), number("rpo_events"));
    assert!(salvaged > 0 && lost > 0, "{report:#}");
    // What comes back includes what nobody was promised: the reactor's events, requests whose
    // answer was lost.
    assert!(lost < missing && missing - lost <= salvaged, "{report:#}");
    let range = &report["lost"];
    assert!(range["to"].as_i64().unwrap() - range["from"].as_i64().unwrap() + 1 >= lost);
    assert_eq!(range["event_ids"].as_array().unwrap().len() as i64, lost.min(100));
    assert!(report["rpo_s"].as_f64().unwrap() > 0.0 && report["rto_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_synchronous_standby_loses_nothing() {
    let report = drill(&["--synchronous"]);
    assert_eq!(
        (&report["rpo_events"], &report["missing_before_salvage"], &report["lost"]),
        (&json!(0), &json!(0), &json!(null)),
        "{report:#}"
    );
}

#[test]
fn a_restore_goes_back_to_the_moment_and_names_who_is_ahead() {
    let report = drill(&["--scenario", "restore"]);
    for name in ["PROOF", "POINT", "EPOCH", "AHEAD", "LOSS", "SALVAGE"] {
        let check = report["checks"].as_array().unwrap().iter().find(|one| one["name"] == name);
        assert_eq!(check.unwrap()["ok"], true, "{name}: {report:#}");
    }
    assert!(report["missing_before_salvage"].as_i64().unwrap() > 0);
}
