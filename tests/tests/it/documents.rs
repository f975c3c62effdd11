//! What documents tell somebody to do, done as a reader does it: on a fresh installation with private
//! servers, in one shell, and compared with what they say it prints.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

use tempfile::TempDir;

use crate::support::binary;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A block of commands and what they print together.
#[derive(Debug, Default)]
pub struct Block {
    pub commands: Vec<String>,
    pub expected: String,
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

/// A fresh start with private servers.
pub struct Fresh {
    folder: TempDir,
    port: String,
    programs: PathBuf,
    api: Child,
}

impl Fresh {
    pub fn start(prefix: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut api = Command::new(binary("api"))
            .arg("serve")
            .env_remove("DATABASE_URL")
            .env("DATA_DIR", folder.path().join("data"))
            .env("PORT", port.to_string())
            .env("LOG", "error")
            .current_dir(ROOT)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ready = BufReader::new(api.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .find(|line| line.starts_with("ready: "));
        assert_eq!(ready, Some(format!("ready: http://127.0.0.1:{port}")));
        let programs = binary("api").parent().unwrap().to_path_buf();
        Self { folder, port: port.to_string(), programs, api }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// A command as it is written, for where this installation listens.
    pub fn here(&self, command: &str) -> String {
        command.replace("localhost:8080", &format!("127.0.0.1:{}", self.port))
    }

    /// In the repository's folder, as the documents say.
    pub fn shell(&self) -> Shell {
        self.shell_in(Path::new(ROOT))
    }

    pub fn shell_in(&self, folder: &Path) -> Shell {
        let path = format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .current_dir(folder)
            .env("PATH", path)
            .env_remove("DATABASE_URL")
            .env("DATA_DIR", self.folder.path().join("data"))
            .env("LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Shell { child, input, output }
    }

    /// Runs every command of a document; what does not end or print as it says is told.
    pub fn follow(&self, shell: &mut Shell, name: &str, blocks: &[Block], failed: &mut Vec<String>) {
        for block in blocks {
            let mut printed = String::new();
            for command in &block.commands {
                let here = self.here(command);
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
                let Block { commands, expected } = block;
                failed.push(format!("{name}: {commands:?}\n  said: {printed}\n  text: {expected}"));
            }
        }
    }

    pub fn stop(mut self) -> ExitStatus {
        let _ = Command::new("kill").arg(self.api.id().to_string()).status();
        self.api.wait().unwrap()
    }
}

/// One shell for all commands, as a reader has; a mark ends each command's output.
pub struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    /// What a command prints, with why it was refused, and how it ends.
    pub fn run(&mut self, command: &str) -> (String, i32) {
        // Progress is not what a document shows; why something was refused is.
        let told = "2>\"$DATA_DIR/../told\"; code=$?; [ $code = 0 ] || cat \"$DATA_DIR/../told\"";
        self.send(&format!("{{ {command}\n}} {told}"))
    }

    /// What a command prints.
    pub fn show(&mut self, command: &str) -> String {
        self.send(&format!("{command}\ncode=$?")).0
    }

    fn send(&mut self, command: &str) -> (String, i32) {
        writeln!(self.input, "{command}; echo; echo \"== end $code\"").unwrap();
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
