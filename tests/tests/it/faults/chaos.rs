//! The fault runner, shortly: real processes and servers killed, paused and cut off for a minute.

use std::process::Command;

use crate::support::binary;

/// The same every time; another one is a matter of `make chaos SEED=`.
const SEED: &str = "3";

#[test]
fn a_minute_of_faults_loses_and_doubles_nothing() {
    let folder = tempfile::Builder::new().prefix("wg-it-chaos-").tempdir().unwrap();
    let mut command = Command::new(binary("chaos"));
    command.args(["--minutes", "1", "--seed", SEED, "--scratch"]).arg(folder.path());
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // It builds nothing: the binaries are there.
    command.env_remove("CARGO");
    let output = command.output().unwrap();
    let (line, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}\n{line}");
    let number = |name: &str| -> f64 {
        let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {line}")).parse().unwrap()
    };
    assert!(line.starts_with("chaos: kills="), "{line}");
    assert!(number("kills") >= 3.0 && number("pauses") >= 1.0, "{line}\n{said}");
    assert!(number("acknowledged") >= 200.0, "{line}\n{said}");
    assert_eq!((number("lost"), number("duplicated")), (0.0, 0.0), "{line}\n{said}");
    for name in ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I12", "I13"] {
        assert!(said.contains(&format!("{name} held")), "{name}: {said}");
    }
}
