//! What is shipped: the release binaries hold none of the fault tests' names.

use std::{collections::BTreeSet, path::Path};

use crate::support::binary;

fn crash_points(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            crash_points(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("crash_point!(\"").skip(1) {
                found.extend(part.split('"').next().map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_release_binaries_know_no_crash_point() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names = BTreeSet::new();
    for folder in ["commands", "eventstore", "projections", "lifecycle", "api", "replay"] {
        crash_points(&root.join(folder).join("src"), &mut names);
    }
    assert!(names.len() >= 5, "{names:?}");
    let release = binary("api").parent().unwrap().parent().unwrap().join("release");
    for program in ["api", "replay"] {
        let path = release.join(program);
        let bytes = std::fs::read(&path)
            .unwrap_or_else(|_| panic!("{} is missing: run the tests by `make test`", path.display()));
        // What is no text is replaced; names are text. Searching a string is fast in a debug build, too.
        let text = String::from_utf8_lossy(&bytes);
        // The search itself works: this is in both.
        assert!(text.contains("DATA_DIR"));
        let found: Vec<_> = names.iter().filter(|name| text.contains(name.as_str())).collect();
        assert!(found.is_empty(), "{program} was built with crash points: {found:?}");
        assert!(!text.contains("CRASH_AT"));
    }
}
