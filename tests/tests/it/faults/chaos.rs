//! The fault runner, shortly: real processes and servers killed, paused and cut off for a minute.

use std::process::Command;

use crate::support::binary;

/// The same every time; another one is a matter of `make chaos SEED=`.
const SEED: &str = "3";

/// Exit code, figure line, and everything else it said.
fn run(minutes: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::Builder::new().prefix("wg-it-chaos-").tempdir().unwrap();
    let mut command = Command::new(binary("chaos"));
    command.args(["--minutes", minutes, "--seed", SEED, "--scratch"]).arg(folder.path()).args(more);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // It builds nothing: the binaries are there.
    command.env_remove("CARGO");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn number(line: &str, name: &str) -> f64 {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {line}")).parse().unwrap()
}

#[test]
fn a_minute_of_faults_loses_and_doubles_nothing() {
    let (code, line, said) = run("1", &[]);
    assert_eq!(code, Some(0), "{said}\n{line}");
    assert!(line.starts_with("chaos: kills="), "{line}");
    assert!(number(&line, "kills") >= 3.0 && number(&line, "pauses") >= 1.0, "{line}\n{said}");
    assert!(number(&line, "acknowledged") >= 200.0, "{line}\n{said}");
    assert_eq!((number(&line, "lost"), number(&line, "duplicated")), (0.0, 0.0), "{line}\n{said}");
    for name in ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I12", "I13"] {
        assert!(said.contains(&format!("{name} held")), "{name}: {said}");
    }
}

/// Negative control: without keys what is asked again is done again, and the run says so.
#[test]
fn callers_without_idempotency_keys_turn_the_run_red() {
    let (code, line, said) = run("0.1", &["--without-keys"]);
    assert_eq!(code, Some(1), "{said}\n{line}");
    assert!(said.contains("I1 BROKEN") && said.contains("I3 held"), "{said}");
    assert!(number(&line, "duplicated") > 0.0, "{line}\n{said}");
}
