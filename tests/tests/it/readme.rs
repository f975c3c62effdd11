//! The README's tour, line by line, against a fresh start with private servers.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use crate::support::binary;

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

/// Whether the pieces between the `…` come in this order, from the very beginning on.
pub fn matches(printed: &str, expected: &str) -> bool {
    let mut rest = printed.trim_end();
    let mut open_start = false;
    for (index, piece) in expected.trim_end().split('…').enumerate() {
        let piece = piece.trim_matches('\n');
        match rest.find(piece) {
            Some(at) if at == 0 || index > 0 || open_start => rest = &rest[at + piece.len()..],
            _ => return false,
        }
        open_start = true;
    }
    rest.is_empty() || expected.trim_end().ends_with('…')
}

#[test]
fn a_pattern_matches_only_what_it_says() {
    assert!(matches("abc\n", "abc\n"));
    assert!(matches("a1b2c", "a…b…c"));
    assert!(matches("abc", "a…"));
    assert!(!matches("abc", "b…"));
    assert!(!matches("abcd", "abc"));
    assert!(!matches("acb", "a…b…c"));
}

#[test]
fn every_line_of_the_tour_prints_what_it_says() {
    let lines = tour();
    assert!(lines.len() >= 12, "the tour is gone");
    let folder = tempfile::Builder::new().prefix("wg-it-tour-").tempdir().unwrap();
    let data = folder.path().join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let programs = binary("api").parent().unwrap().to_path_buf();
    assert!(programs.join("replay").exists());
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut api = Command::new(programs.join("api"))
        .arg("serve")
        .env_remove("DATABASE_URL")
        .env("DATA_DIR", &data)
        .env("PORT", &port)
        .env("LOG", "error")
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = BufReader::new(api.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("ready: "));
    assert_eq!(ready, Some(format!("ready: http://127.0.0.1:{port}")));

    // One shell for the whole tour, as a reader has; a mark ends each command's output.
    let mut shell = Command::new("bash")
        .current_dir(folder.path())
        .env_remove("DATABASE_URL")
        .env("DATA_DIR", &data)
        .env("LOG", "error")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    let mut output = BufReader::new(shell.stdout.take().unwrap());
    let mut failed = vec![];
    for Line { command, expected } in &lines {
        let here = command
            .replace("localhost:8080", &format!("127.0.0.1:{port}"))
            .replace("target/release/", &format!("{}/", programs.display()));
        writeln!(input, "{here}\necho; echo '== end =='").unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the shell ended at: {command}");
            if line == "== end ==\n" {
                break;
            }
            printed.push_str(&line);
        }
        if !matches(printed.trim_end(), expected) {
            failed.push(format!("$ {command}\n  said: {printed}\n  README: {expected}"));
        }
    }
    drop(input);
    let _ = shell.wait();
    let _ = Command::new("kill").arg(api.id().to_string()).status();
    let stopped = api.wait().unwrap();
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(stopped.code(), Some(0), "SIGTERM stops it cleanly");
}
