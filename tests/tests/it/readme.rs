//! The README's tour, line by line, against a fresh start with private servers.

use crate::documents::{Fresh, matches};

struct Line {
    command: String,
    /// What it prints, `…` for what differs.
    expected: String,
}

fn tour() -> Vec<Line> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let mut lines: Vec<Line> = vec![];
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            line if inside => match line.strip_prefix("$ ") {
                Some(command) => lines.push(Line { command: command.to_owned(), expected: String::new() }),
                None => {
                    let expected = &mut lines.last_mut().unwrap().expected;
                    expected.push_str(line);
                    expected.push('\n');
                }
            },
            _ => {}
        }
    }
    lines
}

#[test]
fn every_line_of_the_tour_prints_what_it_says() {
    let lines = tour();
    assert!(lines.len() >= 12, "the tour is gone");
    let fresh = Fresh::start("wg-it-tour-");
    assert!(fresh.programs().join("replay").exists());
    let programs = format!("{}/", fresh.programs().display());
    let mut shell = fresh.shell_in(fresh.folder());
    let mut failed = vec![];
    for Line { command, expected } in &lines {
        let printed = shell.show(&fresh.here(command).replace("target/release/", &programs));
        if !matches(&printed, expected) {
            failed.push(format!("$ {command}\n  said: {printed}\n  README: {expected}"));
        }
    }
    shell.end();
    let stopped = fresh.stop();
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(stopped.code(), Some(0), "SIGTERM stops it cleanly");
}
