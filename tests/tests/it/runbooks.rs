//! Every command of every runbook, in order, on a fresh installation with private servers.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{readme::matches, support::binary};

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

/// A block of commands and what they print together.
#[derive(Debug, Default)]
pub struct Block {
    pub commands: Vec<String>,
    pub expected: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks")
}

pub fn text_of(name: &str) -> String {
    let path = folder().join(format!("{name}.md"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `sh` block with the `text` block behind it. A fence of another kind is refused: what looks
/// like a command must be one that is run.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = vec![];
    let mut inside: Option<&str> = None;
    for line in text.lines() {
        match (inside, line.trim_start().strip_prefix("```")) {
            (None, Some("sh")) => {
                found.push(Block::default());
                inside = Some("sh");
            }
            (None, Some("text")) => inside = Some("text"),
            (None, Some(other)) => panic!("a block of kind `{other}` that nobody runs"),
            (Some(_), Some(_)) => inside = None,
            (Some("sh"), None) => found.last_mut().unwrap().commands.push(line.to_owned()),
            (Some(_), None) => {
                let expected = &mut found.last_mut().expect("commands before what they print").expected;
                expected.push_str(line);
                expected.push('\n');
            }
            (None, None) => {}
        }
    }
    found
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

pub struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    pub fn open(data: &Path, programs: &Path) -> Self {
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .env("PATH", path)
            .env_remove("DATABASE_URL")
            .env("DATA_DIR", data)
            .env("LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// What a command prints, and how it ends.
    pub fn run(&mut self, command: &str) -> (String, i32) {
        // Progress is not what a runbook shows; why something was refused is.
        let told = "2>\"$DATA_DIR/../told\"; code=$?; [ $code = 0 ] || cat \"$DATA_DIR/../told\"";
        writeln!(self.input, "{{ {command}\n}} {told}; echo; echo \"== end $code\"").unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the shell ended at: {command}");
            if let Some(code) = line.strip_prefix("== end ") {
                return (printed.trim_end().to_owned(), code.trim().parse().unwrap());
            }
            printed.push_str(&line);
        }
    }

    pub fn end(mut self) {
        drop(self.input);
        let _ = self.child.wait();
    }
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
    let scratch = tempfile::Builder::new().prefix("wg-it-runbooks-").tempdir().unwrap();
    let data = scratch.path().join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let programs = binary("api").parent().unwrap().to_path_buf();
    let mut api = Command::new(binary("api"))
        .arg("serve")
        .env_remove("DATABASE_URL")
        .env("DATA_DIR", &data)
        .env("PORT", &port)
        .env("LOG", "error")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = BufReader::new(api.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("ready: "));
    assert_eq!(ready, Some(format!("ready: http://127.0.0.1:{port}")));

    let mut shell = Shell::open(&data, &programs);
    let mut failed = vec![];
    for name in RUNBOOKS.into_iter().chain(GUIDES) {
        for block in blocks(&text_of(name)) {
            let mut printed = String::new();
            for command in &block.commands {
                let here = command.replace("localhost:8080", &format!("127.0.0.1:{port}"));
                let (command, wanted) = match here.rsplit_once(" # exits ") {
                    Some((command, code)) => (command.to_owned(), code.trim().parse().unwrap()),
                    None => (here, 0),
                };
                let (said, code) = shell.run(&command);
                if code != wanted {
                    failed.push(format!("{name}: {command}\n  ended with {code}, not {wanted}: {said}"));
                }
                if !said.is_empty() {
                    printed.push_str(&said);
                    printed.push('\n');
                }
            }
            if !matches(printed.trim_end(), &block.expected) {
                failed.push(format!(
                    "{name}: {:?}\n  said: {printed}\n  runbook: {}",
                    block.commands, block.expected
                ));
            }
        }
    }
    let (said, _) = shell.run(&format!("curl -s http://127.0.0.1:{port}/metrics"));
    for name in RUNBOOKS {
        for metric in metrics_in(&text_of(name)) {
            if !said.contains(&format!("# TYPE {metric} ")) {
                failed.push(format!("{name}: there is no metric {metric}"));
            }
        }
    }
    shell.end();
    let _ = Command::new("kill").arg(api.id().to_string()).status();
    let _ = api.wait();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
